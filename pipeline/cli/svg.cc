// Curves as SVG.
#include "pipeline/cli/svg.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/config/config.h"
#include "pipeline/config/describe.h"
#include "pipeline/config/text.h"
#include "pipeline/registry.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr double kLeft = 70, kWidth = 660, kHeight = 200, kTop = 56, kGap = 46;

struct Span {
  double low, high;
  double Share(double value) const { return (value - low) / (high - low); }
};

// A step of 1, 2 or 5 times a power of ten, which divides `range` into about `parts`.
double NiceStep(double range, int parts) {
  const double raw = range / parts;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

Span SpanOf(const std::vector<double>& values) {
  Span span = {INFINITY, -INFINITY};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    span.low = std::min(span.low, value);
    span.high = std::max(span.high, value);
  }
  if (!(span.low < span.high)) {  // constant, or nothing to see
    const double middle = std::isfinite(span.low) ? span.low : 0;
    return {middle - 1, middle + 1};
  }
  const double margin = 0.06 * (span.high - span.low);
  return {span.low - margin, span.high + margin};
}

// XML knows no control characters.
std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(Printable(text), {{"<", "&lt;"}, {"&", "&amp;"}});
}

// One pair of axes whose upper edge is at `top`, with a curve.
std::string Panel(const std::string& name, const std::string& color, const std::vector<double>& x,
                  const std::vector<double>& y, double top) {
  const Span across = {x.front(), x.back()}, up = SpanOf(y);
  const auto left = [&](double value) { return kLeft + kWidth * across.Share(value); };
  const auto height = [&](double value) { return top + kHeight * (1 - up.Share(value)); };
  std::string svg;
  const auto line = [&](double x1, double y1, double x2, double y2, bool axis) {
    absl::StrAppendFormat(&svg,
                          "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s' "
                          "stroke-width='1'/>\n",
                          x1, y1, x2, y2, axis ? "#8a94a0" : "#e3e7ec");
  };
  const auto ticks = [](const Span& span, int parts) {
    std::vector<double> at;
    const double step = NiceStep(span.high - span.low, parts);
    for (double k = std::ceil(span.low / step); k * step <= span.high; ++k) at.push_back(k * step);
    return at;
  };
  for (const double tick : ticks(across, 8)) {
    line(left(tick), top, left(tick), top + kHeight, std::abs(tick) < 1e-12);
    absl::StrAppendFormat(&svg, "<text x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n",
                          left(tick), top + kHeight + 17, tick);
  }
  for (const double tick : ticks(up, 5)) {
    line(kLeft, height(tick), kLeft + kWidth, height(tick), std::abs(tick) < 1e-12);
    absl::StrAppendFormat(&svg, "<text x='%.1f' y='%.1f' text-anchor='end'>%.4g</text>\n",
                          kLeft - 8, height(tick) + 4, std::abs(tick) < 1e-12 ? 0 : tick);
  }
  std::string points;
  const auto end_line = [&] {
    if (!points.empty()) {
      absl::StrAppend(&svg, "<polyline fill='none' stroke='", color,
                      "' stroke-width='2' stroke-linejoin='round' points='", points, "'/>\n");
    }
    points.clear();
  };
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(y[i])) {
      end_line();
      continue;
    }
    absl::StrAppendFormat(&points, "%.2f,%.2f ", left(x[i]), height(y[i]));
  }
  end_line();
  absl::StrAppendFormat(&svg,
                        "<text x='%.1f' y='%.1f' fill='%s' font-size='14' font-weight='600'>%s"
                        "</text>\n",
                        kLeft, top - 8, color, name);
  return svg;
}

// The plugin that a user means.
absl::StatusOr<google::protobuf::Any> Resolve(const std::string& what) {
  google::protobuf::Any plugin;
  if (!absl::StartsWith(what, "[")) {
    const absl::StatusOr<PluginName> name = FindPlugin(what);
    if (!name.ok()) return name.status();
    plugin.set_type_url(name->Url());
    return plugin;
  }
  Node node;
  const absl::Status parsed = ParseFields(absl::StrCat("plugin { ", what, " }"), &node);
  if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat(what, ": ", parsed.message()));
  return node.plugin();
}

}  // namespace

absl::StatusOr<std::string> PlotSvg(const std::string& what) {
  const absl::StatusOr<google::protobuf::Any> plugin = Resolve(what);
  if (!plugin.ok()) return plugin.status();
  const PluginName name = NameOf(*plugin);
  const auto plotter = Plotter::All().find(name.folder);
  if (plotter == Plotter::All().end()) {
    std::vector<std::string> folders;
    for (const auto& [folder, draw] : Plotter::All()) folders.push_back(folder);
    return absl::InvalidArgumentError(absl::StrCat(what, ": only plugins of ",
                                                   absl::StrJoin(folders, ", "),
                                                   " are functions that can be drawn"));
  }
  const absl::Status valid = ValidatePlugin(*plugin, name.folder);
  if (!valid.ok()) return valid;
  const absl::StatusOr<Curve> curve = plotter->second(*plugin);
  if (!curve.ok()) return curve.status();
  return SvgOf(absl::StartsWith(what, "[") ? what : absl::StrCat("[", name.Url(), "] {}"), *curve);
}

std::string SvgOf(const std::string& title, const Curve& curve) {
  const double below = kTop + kHeight + kGap;
  const double width = kLeft + kWidth + 24, height = below + kHeight + 34;
  return absl::StrFormat(
             "<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' "
             "viewBox='0 0 %.0f %.0f' font-family='sans-serif' font-size='12' fill='#46505a'>\n"
             "<rect width='100%%' height='100%%' fill='#ffffff'/>\n"
             "<text x='%.0f' y='24' font-size='16' font-weight='600' fill='#1d242b'>%s</text>\n",
             width, height, width, height, kLeft, Escaped(title)) +
         Panel("f(x)", "#1f5fbf", curve.x, curve.value, kTop) +
         Panel("f'(x)", "#c2410c", curve.x, curve.slope, below) + "</svg>\n";
}

}  // namespace pipeline
