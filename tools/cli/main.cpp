// The tunesmith command line. User errors end as one line on standard error and exit code 2.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "ir/support/env.h"
#include "ir/support/error.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/op_spec.h"

int main(int argc, char** argv) {
  using namespace tunesmith;
  CLI::App app{"Tunesmith makes tensor programs fast on the machine that they run on."};
  app.name("tunesmith");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "help of every command");
  app.add_flag_callback(
      "--help-env",
      [] {
        fmt::print("{}", render_env_help());
        throw CLI::Success();
      },
      "environment variables that are read");
  app.footer("MODEL is an .onnx file; OP is one of\n" + tools::op_spec_help() +
             "\nA first session:\n"
             "  tunesmith tune model.onnx --budget 5m      search, and remember what was found\n"
             "  tunesmith run model.onnx --repeat 100      run with the best that is known\n"
             "  tunesmith explain model.onnx               what became of every operator\n"
             "\nExit codes: 0 done, 1 a check failed (wrong result, damaged database), 2 bad input or failure.");

  tools::Action action;
  tools::add_tune_command(app, action);
  tools::add_run_command(app, action);
  tools::add_bench_command(app, action);
  tools::add_explain_command(app, action);
  tools::add_db_command(app, action);
  tools::add_devices_command(app, action);

  try {
    app.parse(argc, argv);
    const int code = action();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw_user_error("cannot write to standard output: {}", std::strerror(errno != 0 ? errno : EIO));
    return code;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::RequiredError& error) {
    // What was given in place of the required is the more likely mistake.
    const std::vector<std::string> rest = app.remaining(true);
    fmt::print(stderr, "tunesmith: {}{} (see tunesmith --help)\n",
               rest.empty() ? "" : fmt::format("'{}' is not known here: ", rest.front()), error.what());
    return tools::exit_bad_input;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "tunesmith: {} (see tunesmith --help)\n", error.what());
    return tools::exit_bad_input;
  } catch (const UserError& error) {
    fmt::print(stderr, "tunesmith: {}\n", error.what());
    return tools::exit_bad_input;
  } catch (const std::system_error& error) {  // a file or folder that the system refused
    fmt::print(stderr, "tunesmith: {}\n", error.what());
    return tools::exit_bad_input;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "tunesmith: out of memory\n");
    return tools::exit_bad_input;
  } catch (const std::exception& error) {
    fmt::print(stderr, "tunesmith: internal error: {}\n", error.what());
    return tools::exit_bad_input;
  }
}
