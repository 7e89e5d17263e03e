// Charts of names and values: the parts of a whole, and intervals.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/svg_parts.h"

namespace pipeline {
namespace {

constexpr double kWidth = 400, kLeft = 8, kInner = 384;

std::string Head(const std::string& title, double height) {
  return absl::StrFormat(
      "<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">", kWidth, height,
      HtmlText(title + "; its numbers are in the table that follows"));
}

}  // namespace

Chart Draw(const Parts& parts) {
  Chart chart = {parts.title, "", parts.note, Chart::kNone, {}};
  chart.numbers = {parts.title, {"part", parts.unit, "share"}, {}};
  double sum = 0;
  for (const auto& [name, value] : parts.parts) sum += value;
  std::vector<Series> legend;
  std::string svg = Head(parts.title, 34);
  double left = kLeft;
  int colour = 0;
  for (const auto& [name, value] : parts.parts) {
    const double share = sum > 0 ? value / sum : 0, width = kInner * share;
    const std::string text =
        absl::StrFormat("%s: %.3g %s (%.1f %%)", name, value, parts.unit, 100 * share);
    absl::StrAppendFormat(&svg,
                          "<rect class=\"f%d\" x=\"%.2f\" y=\"4\" width=\"%.2f\" height=\"26\" "
                          "data-tip=\"%s\"/>",
                          colour % kColours, left, width, HtmlText(text));
    legend.push_back({text, {}, {}, colour, Series::kPoints});
    chart.numbers.rows.push_back({Text(name), Number(value), PercentCell(share)});
    left += width;
    ++colour;
  }
  chart.svg = absl::StrCat(LegendHtml(legend), svg, "</svg>");
  return chart;
}

Chart Draw(const Intervals& intervals) {
  constexpr double kRow = 36, kTop = 4;
  Chart chart = {intervals.title, "", intervals.note, Chart::kNone, {}};
  chart.numbers = {intervals.title, {"", "low", "value", "high"}, {}};
  double low = INFINITY, high = -INFINITY;
  const auto reach = [&](double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const Intervals::Row& row : intervals.rows) {
    for (const double value : {row.low, row.value, row.high}) reach(value);
    chart.numbers.rows.push_back(
        {Text(row.name), Number(row.low), Number(row.value), Number(row.high)});
  }
  if (intervals.reference.has_value()) reach(*intervals.reference);
  if (!(low <= high)) {
    chart.note = "No values to draw.";
    return chart;
  }
  const double room = low < high ? 0.06 * (high - low) : 0.5;
  low -= room;
  high += room;
  const auto across = [&](double value) { return kLeft + kInner * (value - low) / (high - low); };
  const double bottom = kTop + kRow * static_cast<double>(intervals.rows.size());
  std::string svg = Head(intervals.title, bottom + 38);
  for (const double tick : Ticks(low, high, 6, false)) {
    absl::StrAppend(&svg, LineSvg("grid", across(tick), kTop, across(tick), bottom),
                    TextSvg(TickText(tick), across(tick), bottom + 16, "middle"));
  }
  if (intervals.reference.has_value()) {
    const double x = across(*intervals.reference);
    absl::StrAppend(&svg, LineSvg("mark", x, kTop, x, bottom));
  }
  double y = kTop;
  for (const Intervals::Row& row : intervals.rows) {
    const int colour = row.colour % kColours;
    absl::StrAppend(&svg, "<g data-tip=\"",
                    HtmlText(absl::StrFormat("%s: %.4g (%.4g to %.4g)", row.name, row.value,
                                             row.low, row.high)),
                    "\">", TextSvg(Shortened(row.name, 58), kLeft, y + 14, "start"));
    if (std::isfinite(row.low) && std::isfinite(row.high)) {
      absl::StrAppend(&svg, LineSvg(absl::StrCat("line k", colour), across(row.low), y + 25,
                                    across(row.high), y + 25));
    }
    if (std::isfinite(row.value)) {
      absl::StrAppend(&svg, DotSvg(across(row.value), y + 25, row.colour));
    }
    absl::StrAppendFormat(
        &svg, "<rect fill=\"transparent\" x=\"0\" y=\"%.1f\" width=\"%g\" height=\"%g\"/></g>", y,
        kWidth, kRow);
    y += kRow;
  }
  chart.svg = absl::StrCat(svg, LineSvg("axis", kLeft, bottom, kLeft + kInner, bottom),
                           TextSvg(intervals.unit, kLeft + kInner, bottom + 32, "end"), "</svg>");
  return chart;
}

}  // namespace pipeline
