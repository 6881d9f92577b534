#include "tests/bench/search_quality/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tuner/statistics.h"

namespace tunesmith::bench {
namespace {

constexpr std::array shares = {0.90, 0.95, 0.99};

std::vector<const Run*> runs_of(const Results& results, const std::string& contestant) {
  std::vector<const Run*> runs;
  for (const Run& run : results.runs)
    if (run.contestant == contestant) runs.push_back(&run);
  return runs;
}

struct Reached {
  double trials = 0;   // median; infinite: most runs never did
  double seconds = 0;  // median
  double share = 0;    // of the runs
};

Reached reached(const Results& results, const std::vector<const Run*>& runs, double share) {
  std::vector<double> trials, seconds;
  std::size_t count = 0;
  for (const Run* run : runs) {
    const auto at = trials_to(*run, results.best_ns.at(run->workload), share);
    count += at ? 1 : 0;
    trials.push_back(at ? static_cast<double>(*at) : std::numeric_limits<double>::infinity());
    seconds.push_back(at ? run->seconds[*at - 1] : std::numeric_limits<double>::infinity());
  }
  return {tuner::median(trials), tuner::median(seconds), static_cast<double>(count) / static_cast<double>(runs.size())};
}

std::string cell(double trials, std::size_t cap) {
  return std::isfinite(trials) ? fmt::format("{:.3g}", trials) : fmt::format("> {}", cap);
}

/// Median over the runs of the share of the best known speed that is reached after `trial` trials.
double share_after(const Results& results, const std::vector<const Run*>& runs, std::size_t trial) {
  std::vector<double> values;
  for (const Run* run : runs)
    if (!run->best_ns.empty())
      values.push_back(results.best_ns.at(run->workload) / run->best_ns[std::min(trial, run->best_ns.size()) - 1]);
  return values.empty() ? 0 : tuner::median(values);
}

}  // namespace

std::string text_of(const Results& results) {
  std::string text = fmt::format("{} workloads, best known of {} candidates each on the median; runs of {} trials\n\n",
                                 results.best_ns.size(),
                                 [&] {
                                   std::vector<double> counts;
                                   for (const auto& [name, count] : results.sampled)
                                     counts.push_back(static_cast<double>(count));
                                   return tuner::median(counts);
                                 }(),
                                 results.trials);
  text += "Median trials (seconds) to a share of the best known speed; share of the runs that got there.\n\n";
  text += "| strategy | runs | 90 % | 95 % | 99 % | 95 % reached | after 8 trials | after all |\n|---|---|---|---|---|---|---|---|\n";
  for (const std::string& name : results.contestants) {
    const auto runs = runs_of(results, name);
    if (runs.empty()) continue;
    text += fmt::format("| {} | {} |", name, runs.size());
    for (double share : shares) {
      const Reached at = reached(results, runs, share);
      text += std::isfinite(at.trials) ? fmt::format(" {:.3g} ({:.2g} s) |", at.trials, at.seconds)
                                       : fmt::format(" > {} |", results.trials);
    }
    text += fmt::format(" {:.0f} % | {:.3f} | {:.3f} |\n", 100 * reached(results, runs, 0.95).share,
                        share_after(results, runs, 8), share_after(results, runs, results.trials));
  }
  text += "\nMedian trials to 95 %, by workload.\n\n| workload | candidates |";
  for (const std::string& name : results.contestants) text += fmt::format(" {} |", name);
  text += "\n|---|---|";
  for (std::size_t i = 0; i < results.contestants.size(); ++i) text += "---|";
  text += "\n";
  for (const auto& [workload, best] : results.best_ns) {
    text += fmt::format("| `{}` | {} |", workload, results.sampled.at(workload));
    for (const std::string& name : results.contestants) {
      auto runs = runs_of(results, name);
      std::erase_if(runs, [&](const Run* run) { return run->workload != workload; });
      text += runs.empty() ? " - |" : fmt::format(" {} |", cell(reached(results, runs, 0.95).trials, results.trials));
    }
    text += "\n";
  }
  if (results.models.empty()) return text;
  text += "\nCost models that learned from the other workloads only, medians over the workloads.\n\n"
          "| model | rank correlation | recall of the 8 fastest | best of its 8 |\n|---|---|---|---|\n";
  std::vector<std::string> names;
  for (const ModelQuality& quality : results.models)
    if (std::ranges::find(names, quality.cost_model) == names.end()) names.push_back(quality.cost_model);
  for (const std::string& name : names) {
    std::vector<double> correlations, recalls, bests;
    for (const ModelQuality& quality : results.models)
      if (quality.cost_model == name) {
        correlations.push_back(quality.rank_correlation);
        recalls.push_back(quality.recall_of_8);
        bests.push_back(quality.best_of_8);
      }
    text += fmt::format("| {} | {:.2f} | {:.2f} | {:.2f} |\n", name, tuner::median(correlations), tuner::median(recalls),
                        tuner::median(bests));
  }
  return text;
}

std::string svg_of(const Results& results) {
  constexpr double width = 760, height = 420, left = 60, right = 180, top = 30, bottom = 50, lowest = 0.5;
  constexpr std::array colours = {"#1b6ca8", "#2a9d4a", "#c0392b", "#8e44ad", "#d68910", "#555555"};
  const double last = static_cast<double>(std::max<std::size_t>(2, results.trials));
  auto x_of = [&](double trial) { return left + (width - left - right) * std::log(trial) / std::log(last); };
  auto y_of = [&](double share) {
    return top + (height - top - bottom) * (1 - std::max(0.0, share - lowest) / (1 - lowest));
  };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"18\">Median share of the best known speed after each trial</text>\n",
      width, height, left);
  for (double share : {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0})
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\" stroke=\"#ddd\"/>"
        "<text x=\"{3}\" y=\"{4}\" text-anchor=\"end\">{5:.0f} %</text>\n",
        left, width - right, y_of(share), left - 6, y_of(share) + 4, 100 * share);
  for (double trial = 1; trial <= last; trial *= 2)
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{0}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#ddd\"/>"
        "<text x=\"{0}\" y=\"{3}\" text-anchor=\"middle\">{4:.0f}</text>\n",
        x_of(trial), top, height - bottom, height - bottom + 18, trial);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">trials</text>\n", (left + width - right) / 2, height - 12);
  std::size_t index = 0;
  for (const std::string& name : results.contestants) {
    const auto runs = runs_of(results, name);
    if (runs.empty()) continue;
    const char* colour = colours[index % colours.size()];
    std::string points;
    for (std::size_t trial = 1; trial <= results.trials; ++trial)
      points += fmt::format("{:.1f},{:.1f} ", x_of(static_cast<double>(trial)), y_of(share_after(results, runs, trial)));
    const double legend = top + 18 * static_cast<double>(index++);
    svg += fmt::format(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>"
        "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>\n",
        points, colour, width - right + 12, legend, colour, width - right + 30, legend + 6, name);
  }
  return svg + "</svg>\n";
}

nlohmann::ordered_json json_of(const Results& results) {
  nlohmann::ordered_json runs = nlohmann::ordered_json::array(), models = runs;
  for (const Run& run : results.runs) {
    nlohmann::ordered_json entry{{"workload", run.workload}, {"strategy", run.contestant}, {"seed", run.seed}};
    for (double share : shares) {
      const auto at = trials_to(run, results.best_ns.at(run.workload), share);
      entry[fmt::format("trials_to_{:.0f}", 100 * share)] = at ? nlohmann::ordered_json(*at) : nullptr;
    }
    entry["best_ns"] = run.best_ns;
    entry["seconds"] = run.seconds;
    runs.push_back(std::move(entry));
  }
  for (const ModelQuality& quality : results.models)
    models.push_back({{"workload", quality.workload},
                      {"cost_model", quality.cost_model},
                      {"rank_correlation", quality.rank_correlation},
                      {"recall_of_8", quality.recall_of_8},
                      {"best_of_8", quality.best_of_8}});
  return {{"schema", 1},
          {"trials", results.trials},
          {"best_ns", results.best_ns},
          {"candidates", results.sampled},
          {"runs", std::move(runs)},
          {"models", std::move(models)}};
}

}  // namespace tunesmith::bench
