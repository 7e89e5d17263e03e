// Bars and critical differences as SVG.
#include "pipeline/report/method_charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/report/svg_parts.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr double kWidth = 400, kLeft = 8, kInner = 384;
constexpr double kCharacter = 6.4;  // of the page's 12 px, about

std::string Head(const std::string& title, double height) {
  return absl::StrFormat(
      "<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">", kWidth, height,
      HtmlText(title + "; its numbers are in the table that follows"));
}

double Highest(const Bars& bars) {
  double high = 0;
  for (const Bars::Row& row : bars.rows) {
    for (const double value : row.values) {
      if (std::isfinite(value)) high = std::max(high, value);
    }
  }
  return high;
}

Table NumbersOf(const Bars& bars) {
  Table table = {bars.title, {""}, {}};
  table.columns.insert(table.columns.end(), bars.series.begin(), bars.series.end());
  for (const Bars::Row& row : bars.rows) {
    std::vector<Cell> cells = {Text(row.name)};
    for (const double value : row.values) cells.push_back(Number(value));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

// The bars of one name, below it; moves `y` on.
std::string RowSvg(const Bars& bars, const Bars::Row& row, double high, double* y) {
  constexpr double kName = 17, kBar = 14, kRoom = 44;  // of the value beside the longest bar
  std::string svg = TextSvg(Shortened(row.name, 60), kLeft, *y + 12, "start");
  *y += kName;
  for (size_t i = 0; i < row.values.size(); ++i) {
    const double value = row.values[i];
    if (!std::isfinite(value)) continue;
    const double width = high > 0 ? (kInner - kRoom) * value / high : 0;
    const std::string shown = absl::StrFormat("%.4g", value);
    absl::StrAppendFormat(
        &svg,
        "<g data-tip=\"%s\"><rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" "
        "height=\"%g\"/>%s</g>",
        HtmlText(absl::StrCat(row.name, ", ", bars.series[i], ": ", shown)),
        static_cast<int>(i) % kColours, kLeft, *y + 1, std::max(0.5, width), kBar - 3,
        TextSvg(shown, kLeft + width + 4, *y + 11, "start"));
    *y += kBar;
  }
  *y += 6;
  return svg;
}

// Beside its dot, on the side where there is more room.
std::string NameSvg(const std::string& name, double x, double y) {
  const bool right = x < kWidth / 2;
  const double room = (right ? kWidth - x : x) - 12;
  const auto fits = static_cast<size_t>(std::max(4.0, room / kCharacter));
  return TextSvg(Shortened(name, fits), right ? x + 8 : x - 8, y + 4, right ? "start" : "end");
}

}  // namespace

Chart Draw(const Bars& bars) {
  Chart chart = {bars.title, "", bars.note, Chart::kNone, NumbersOf(bars)};
  const double high = Highest(bars);
  double y = 4;
  std::string inner;
  for (const Bars::Row& row : bars.rows) absl::StrAppend(&inner, RowSvg(bars, row, high, &y));
  std::vector<Series> legend;
  for (size_t i = 0; i < bars.series.size(); ++i) {
    Series one;
    one.name = bars.series[i];
    one.colour = static_cast<int>(i);
    one.look = Series::kPoints;
    legend.push_back(std::move(one));
  }
  chart.svg = absl::StrCat(LegendHtml(legend), Head(bars.title, y + 18), inner,
                           LineSvg("axis", kLeft, 4, kLeft, y),
                           TextSvg(bars.unit, kLeft + kInner, y + 13, "end"), "</svg>");
  return chart;
}

Chart Draw(const CriticalDifferences& diagram) {
  constexpr double kAxis = 46, kBar = 8, kRow = 19, kMargin = 12;
  Chart chart = {diagram.title, "", diagram.note, Chart::kNone, {}};
  chart.numbers = {diagram.title, {"", "mean rank"}, {}};
  std::vector<CriticalDifferences::Method> methods = diagram.methods;
  std::stable_sort(methods.begin(), methods.end(),
                   [](const auto& a, const auto& b) { return a.rank < b.rank; });
  for (const auto& [name, rank] : methods) {
    chart.numbers.rows.push_back({Text(name), Number(rank)});
  }
  chart.numbers.rows.push_back({Text("critical difference"), Number(diagram.difference)});
  const double most = std::max<double>(2, static_cast<double>(methods.size()));
  const auto across = [&](double rank) {
    return kMargin + (kWidth - 2 * kMargin) * (rank - 1) / (most - 1);
  };
  std::string svg;
  for (const double tick : Ticks(1, most, 8, true)) {
    absl::StrAppend(&svg, LineSvg("axis", across(tick), kAxis - 4, across(tick), kAxis),
                    TextSvg(TickText(tick), across(tick), kAxis - 8, "middle"));
  }
  absl::StrAppend(&svg, LineSvg("axis", across(1), kAxis, across(most), kAxis));
  const double reach = std::min(diagram.difference, most - 1);
  absl::StrAppend(&svg, LineSvg("line k6", across(1), 8, across(1 + reach), 8),
                  TextSvg(absl::StrFormat("CD %.2f%s", diagram.difference,
                                          reach < diagram.difference ? ", beyond the axis" : ""),
                          across(1) + 2, 23, "start"));
  double y = kAxis + 10;
  for (const std::vector<int>& group : diagram.groups) {
    double low = INFINITY, high = -INFINITY;
    for (const int i : group) {
      low = std::min(low, diagram.methods.at(i).rank);
      high = std::max(high, diagram.methods.at(i).rank);
    }
    absl::StrAppendFormat(&svg,
                          "<rect class=\"f0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"4\" "
                          "data-tip=\"%s\"/>",
                          across(low) - 3, y - 2, across(high) - across(low) + 6,
                          HtmlText(absl::StrCat("not told apart: ", group.size(), " methods")));
    y += kBar;
  }
  y += 8;
  for (const auto& [name, rank] : methods) {
    const double x = across(rank);
    absl::StrAppend(&svg, "<g data-tip=\"",
                    HtmlText(absl::StrFormat("%s: mean rank %.4g", name, rank)), "\">",
                    LineSvg("grid", x, kAxis, x, y), DotSvg(x, y, 1), NameSvg(name, x, y), "</g>");
    y += kRow;
  }
  chart.svg =
      absl::StrCat(Head(diagram.title, y + 14), svg,
                   TextSvg("mean rank, 1 is the best", kWidth - kMargin, y + 8, "end"), "</svg>");
  return chart;
}

}  // namespace pipeline
