// Distributions, a box for each, in groups.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/svg_parts.h"

namespace pipeline {
namespace {

constexpr double kWidth = 400, kLeft = 58, kInner = 332, kRow = 17, kTop = 4;
constexpr double kHalf = 4;  // of a box's height

std::vector<double> EndsOf(const Boxes::Row& row) {
  return {row.low, row.lower, row.middle, row.upper, row.high};
}

std::string TipOf(const Boxes::Row& row) {
  return absl::StrFormat(
      "%s, %s: median %.4g, half of the values from %.4g to %.4g, 90 %% from %.4g "
      "to %.4g",
      row.group, row.name, row.middle, row.lower, row.upper, row.low, row.high);
}

// A row whose middle is at the height `y`.
template <class Across>
std::string RowSvg(const Boxes::Row& row, double y, const Across& across) {
  const std::string line = absl::StrCat("line k", row.colour % kColours);
  const double left = across(row.lower), right = across(row.upper);
  return absl::StrCat(
      "<g data-tip=\"", HtmlText(TipOf(row)), "\">", TextSvg(row.name, 8, y + 4, "start"),
      LineSvg(line, across(row.low), y, across(row.high), y),
      absl::StrFormat(
          "<rect class=\"f%d low\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%g\"/>",
          row.colour % kColours, left, y - kHalf, std::max(1.0, right - left), 2 * kHalf),
      LineSvg(line, across(row.middle), y - kHalf, across(row.middle), y + kHalf),
      absl::StrFormat(
          "<rect fill=\"transparent\" x=\"0\" y=\"%.1f\" width=\"%g\" height=\"%g\"/></g>",
          y - kRow / 2, kWidth, kRow));
}

}  // namespace

Chart Draw(const Boxes& boxes) {
  Chart chart = {boxes.title, "", boxes.note, Chart::kNone, {}};
  chart.numbers = {boxes.title, {"", "of", "5 %", "25 %", "median", "75 %", "95 %"}, {}};
  double low = INFINITY, high = -INFINITY;
  size_t groups = 0;
  std::string group;
  for (const Boxes::Row& row : boxes.rows) {
    std::vector<Cell> cells = {Text(row.group), Text(row.name)};
    for (const double value : EndsOf(row)) cells.push_back(Number(value, 4));
    chart.numbers.rows.push_back(std::move(cells));
    low = std::min(low, row.low);
    high = std::max(high, row.high);
    groups += group != row.group ? 1 : 0;
    group = row.group;
  }
  if (!(low <= high)) {
    chart.note = "No values to draw.";
    return chart;
  }
  const double room = low < high ? 0.04 * (high - low) : 0.5;
  low -= room;
  high += room;
  const auto across = [&](double value) { return kLeft + kInner * (value - low) / (high - low); };
  const double bottom = kTop + kRow * static_cast<double>(boxes.rows.size() + groups);
  std::string svg = absl::StrFormat(
      "<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">", kWidth,
      bottom + 20, HtmlText(boxes.title + "; its numbers are in the table that follows"));
  for (const double tick : Ticks(low, high, 6, false)) {
    absl::StrAppend(&svg, LineSvg("grid", across(tick), kTop, across(tick), bottom),
                    TextSvg(TickText(tick), across(tick), bottom + 15, "middle"));
  }
  double y = kTop + kRow / 2;
  group.clear();
  for (const Boxes::Row& row : boxes.rows) {
    if (row.group != group) {
      absl::StrAppend(&svg, TextSvg(Shortened(row.group, 58), 2, y + 4, "start"));
      group = row.group;
      y += kRow;
    }
    absl::StrAppend(&svg, RowSvg(row, y, across));
    y += kRow;
  }
  chart.svg = absl::StrCat(svg, LineSvg("axis", kLeft, bottom, kLeft + kInner, bottom), "</svg>");
  return chart;
}

}  // namespace pipeline
