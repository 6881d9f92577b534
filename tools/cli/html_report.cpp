#include "tools/cli/html_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "tools/cli/common.h"

namespace tunesmith::tools {
namespace {

constexpr std::string_view style = R"(
:root { --ink: #1d2733; --soft: #5b6875; --line: #d9dfe5; --accent: #1b6ca8; --good: #2a9d4a; --bad: #c0392b; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 1.5rem 1rem 4rem; color: var(--ink); background: #fff;
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
p { margin: .25rem 0; color: var(--soft); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.25rem 0; }
.figures div { flex: 1 1 9rem; border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.figures b { display: block; font-size: 1.3rem; }
.figures span { color: var(--soft); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; font-size: .85rem; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 10rem; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--soft); }
details { border-bottom: 1px solid var(--line); padding: .4rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
pre { background: #f5f7f9; padding: .8rem; border-radius: 6px; overflow-x: auto; font-size: 12.5px; line-height: 1.45; }
.schedule { white-space: pre-wrap; overflow-wrap: anywhere; }
.plot { max-width: 46rem; }
.bad { color: var(--bad); }
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

double weight_of(const KernelPage& kernel) { return static_cast<double>(kernel.indices.size()); }
/// Of one run: measured, else what the model says.
double time_of(const KernelPage& kernel) { return kernel.best_ns.value_or(kernel.model_ns); }
std::string time_or_dash(const std::optional<double>& ns) { return ns ? format_time(*ns) : "–"; }
std::string title_of(const KernelPage& kernel) {
  return fmt::format("{}{} {}", kernel.indices.front(),
                     kernel.indices.size() > 1 ? fmt::format(" (×{})", kernel.indices.size()) : "", escaped(kernel.name));
}

/// Positions on a logarithmic axis.
struct LogAxis {
  double low = 1, high = 10;    // values
  double first = 0, last = 1;   // places

  double operator()(double value) const {
    return first + (last - first) * (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  }
  std::vector<double> powers_of_ten() const {
    std::vector<double> ticks;
    for (double tick = std::pow(10, std::ceil(std::log10(low) - 1e-9)); tick <= high * 1.0001; tick *= 10)
      ticks.push_back(tick);
    return ticks;
  }
};

std::string line(double x1, double y1, double x2, double y2, std::string_view attributes) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2, attributes);
}
std::string text(double x, double y, std::string_view anchor, std::string_view words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
}
constexpr std::string_view grid = "stroke=\"#d9dfe5\"";

std::string figures(const ModelPage& page) {
  double best = 0, fallback = 0, limit = 0;
  std::size_t trials = 0, measured = 0;
  for (const KernelPage& kernel : page.kernels) {
    best += weight_of(kernel) * time_of(kernel);
    fallback += weight_of(kernel) * kernel.default_ns.value_or(time_of(kernel));
    limit += weight_of(kernel) * kernel.limit_ns;
    trials += kernel.trials.size();
    measured += kernel.best_ns ? 1 : 0;
  }
  std::string html = "<div class=\"figures\">\n";
  auto add = [&](const std::string& value, const std::string& what) {
    html += fmt::format("<div><b>{}</b><span>{}</span></div>\n", value, what);
  };
  add(format_time(best), "sum over all kernels, best known");
  add(fmt::format("{:.2f}×", best > 0 ? fallback / best : 1), "faster than the default schedules");
  add(fmt::format("{:.0f} %", best > 0 ? 100 * limit / best : 0), "of what the machine allows");
  add(fmt::format("{} of {}", measured, page.kernels.size()), "distinct kernels measured");
  add(fmt::format("{}", trials), "trials");
  return html + "</div>\n";
}

/// Speed over arithmetic intensity, under the roof of arithmetic and memory (Williams et al., "Roofline", 2009).
std::string roofline(const ModelPage& page) {
  constexpr double width = 760, height = 360, left = 60, right = 20, top = 15, bottom = 45;
  const double peak = page.limits.flops_per_ns, bandwidth = page.limits.bytes_per_ns,
               cache_bandwidth = std::max(page.limits.cache_bytes_per_ns, bandwidth);
  if (peak <= 0 || bandwidth <= 0) return "";
  struct Point {
    const KernelPage* kernel;
    double intensity, speed;
  };
  std::vector<Point> points;
  LogAxis x{peak / cache_bandwidth / 4, 4 * peak / bandwidth, left, width - right};
  LogAxis y{peak / 100, 2 * peak, height - bottom, top};
  for (const KernelPage& kernel : page.kernels) {
    if (!kernel.best_ns || kernel.flops <= 0 || kernel.bytes <= 0) continue;
    points.push_back({&kernel, kernel.flops / kernel.bytes, kernel.flops / *kernel.best_ns});
    x.low = std::min(x.low, points.back().intensity / 2);
    x.high = std::max(x.high, points.back().intensity * 2);
    y.low = std::min(y.low, points.back().speed / 2);
  }
  if (points.empty()) return "";
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"roofline\">\n", width, height);
  for (double tick : x.powers_of_ten())
    svg += line(x(tick), top, x(tick), height - bottom, grid) + text(x(tick), height - bottom + 16, "middle", fmt::format("{:g}", tick));
  for (double tick : y.powers_of_ten())
    svg += line(left, y(tick), width - right, y(tick), grid) + text(left - 6, y(tick) + 4, "end", fmt::format("{:g}", tick));
  auto roof = [&](double bytes_per_ns, std::string_view attributes) {
    const double ridge = std::clamp(peak / bytes_per_ns, x.low, x.high), start = std::max(x.low, y.low / bytes_per_ns);
    if (start < ridge) svg += line(x(start), y(start * bytes_per_ns), x(ridge), y(ridge * bytes_per_ns), attributes);
    svg += line(x(ridge), y(peak), x(x.high), y(peak), attributes);
  };
  roof(cache_bandwidth, "stroke=\"#5b6875\" stroke-dasharray=\"4 3\"");
  roof(bandwidth, "stroke=\"#1d2733\" stroke-width=\"1.5\"");
  for (const Point& point : points)
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"#1b6ca8\" fill-opacity=\"0.65\"><title>{}: {:.1f} GFLOP/s, {}"
        "</title></circle>\n",
        x(point.intensity), y(point.speed), title_of(*point.kernel), point.speed, format_time(*point.kernel->best_ns));
  svg += text((left + width - right) / 2, height - 8, "middle", "operations for each byte of the arguments");
  svg += text(left, top - 3, "start", "GFLOP/s; solid: memory, dashed: first cache");
  return "<h2>Roofline</h2>\n<div class=\"plot\">" + svg + "</svg></div>\n";
}

std::string table(const ModelPage& page) {
  double total = 0;
  for (const KernelPage& kernel : page.kernels) total += weight_of(kernel) * time_of(kernel);
  std::string html =
      "<h2>Kernels</h2>\n<p>The most time first. A dash: not measured on this machine; the share is then the analytic "
      "model's.</p>\n<div class=\"scroll\"><table>\n<tr><th>kernel</th><th>share</th><th>default</th><th>best</th>"
      "<th>speed-up</th><th>of limit</th><th>GFLOP/s</th><th>trials</th><th>failed</th><th>schedule</th></tr>\n";
  for (const KernelPage& kernel : page.kernels) {
    std::int64_t failed = 0;
    std::vector<std::string> classes;
    for (const auto& [name, count] : kernel.failures) {
      failed += count;
      classes.push_back(fmt::format("{} {}", count, name));
    }
    html += fmt::format(
        "<tr><td>{}</td><td>{:.1f} %</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td{} title=\"{}\">{}</td><td>{}</td></tr>\n",
        title_of(kernel), total > 0 ? 100 * weight_of(kernel) * time_of(kernel) / total : 0,
        time_or_dash(kernel.default_ns), time_or_dash(kernel.best_ns),
        kernel.best_ns && kernel.default_ns ? fmt::format("{:.2f}×", *kernel.default_ns / *kernel.best_ns) : "–",
        kernel.best_ns ? fmt::format("{:.0f} %", 100 * kernel.limit_ns / *kernel.best_ns) : "–",
        kernel.best_ns ? fmt::format("{:.1f}", kernel.flops / *kernel.best_ns) : "–", kernel.trials.size(),
        failed > 0 ? " class=\"bad\"" : "", escaped(fmt::format("{}", fmt::join(classes, ", "))), failed, kernel.origin);
  }
  return html + "</table></div>\n";
}

/// Every trial as a point, the best so far as a line; empty where fewer than two worked.
std::string convergence(const KernelPage& kernel) {
  constexpr double width = 760, height = 200, left = 70, right = 20, top = 12, bottom = 34;
  double low = std::numeric_limits<double>::infinity(), high = 0;
  std::size_t worked = 0;
  for (const auto& ns : kernel.trials)
    if (ns) {
      low = std::min(low, *ns);
      high = std::max(high, *ns);
      ++worked;
    }
  if (worked < 2) return "";
  const double floor = kernel.limit_ns > 0 && kernel.limit_ns > low / 4 ? std::min(low, kernel.limit_ns) : low;
  const LogAxis y{floor * 0.95, std::max(high, floor * 1.2) * 1.05, height - bottom, top};
  const double last = static_cast<double>(kernel.trials.size());
  auto x = [&](double trial) { return left + (width - left - right) * trial / last; };
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"convergence\">\n", width, height);
  double lowest_label = height;
  for (double value : {low, std::sqrt(low * y.high), y.high / 1.05}) {
    if (y(value) > lowest_label - 14) continue;  // labels keep their distance
    lowest_label = y(value);
    svg += line(left, y(value), width - right, y(value), grid) + text(left - 6, y(value) + 4, "end", format_time(value));
  }
  if (floor < low)
    svg += line(left, y(kernel.limit_ns), width - right, y(kernel.limit_ns), "stroke=\"#2a9d4a\" stroke-dasharray=\"4 3\"");
  std::string steps;
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < kernel.trials.size(); ++i) {
    const double at = x(static_cast<double>(i) + 0.5);
    if (!kernel.trials[i]) {
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" style=\"fill:#c0392b\">×</text>\n", at, top + 8);
      continue;
    }
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"#9bb7cc\"/>\n", at, y(*kernel.trials[i]));
    if (std::isfinite(best)) steps += fmt::format("{:.1f},{:.1f} ", at, y(best));
    best = std::min(best, *kernel.trials[i]);
    steps += fmt::format("{:.1f},{:.1f} ", at, y(best));
  }
  steps += fmt::format("{:.1f},{:.1f}", x(last), y(best));
  svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#1b6ca8\" stroke-width=\"2\"/>\n", steps);
  svg += text((left + width - right) / 2, height - 8, "middle",
              fmt::format("{} trials in the order measured; green: the limit; ×: failed", kernel.trials.size()));
  return "<div class=\"plot\">" + svg + "</svg></div>\n";
}

std::string details(const ModelPage& page) {
  std::string html = "<h2>Schedules</h2>\n";
  for (const KernelPage& kernel : page.kernels)
    html += fmt::format("<details><summary>{} – {}, {}</summary>\n{}<pre class=\"schedule\">{}</pre>\n<pre>{}</pre></details>\n",
                        title_of(kernel), kernel.best_ns ? format_time(*kernel.best_ns) : "not measured", kernel.origin,
                        convergence(kernel), escaped(kernel.schedule), escaped(kernel.nest));
  return html;
}

}  // namespace

std::string html_report(const ModelPage& page) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0} – Tunesmith</title>\n"
      "<style>{1}</style>\n</head>\n<body>\n<h1>{0}</h1>\n",
      escaped(page.model), style);
  html += fmt::format("<p>{}, {}: {:.0f} GFLOP/s, {:.0f} GB/s measured.</p>\n", escaped(page.machine),
                      plural(static_cast<std::size_t>(page.threads), "thread"), page.limits.flops_per_ns,
                      page.limits.bytes_per_ns);
  if (page.host_steps > 0)
    html += fmt::format("<p>{} run by reference implementations and have no schedule.</p>\n",
                        plural(page.host_steps, "operator"));
  return html + figures(page) + table(page) + roofline(page) + details(page) + "</body>\n</html>\n";
}

}  // namespace tunesmith::tools
