// The commands. Each adds its options to the application and leaves what to run in `action`.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace tunesmith::tools {

/// Set by the command that was given; returns the exit code.
using Action = std::function<int()>;

void add_tune_command(CLI::App& app, Action& action);
void add_run_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
void add_explain_command(CLI::App& app, Action& action);
void add_db_command(CLI::App& app, Action& action);
void add_devices_command(CLI::App& app, Action& action);

}  // namespace tunesmith::tools
