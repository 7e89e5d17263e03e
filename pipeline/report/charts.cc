// Charts of curves, points and bars over two axes.
#include "pipeline/report/charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/report/svg_parts.h"

namespace pipeline {
namespace {

constexpr double kWidth = 400, kHeight = 250, kTop = 22, kBottom = 36, kRight = 14;

// An axis that knows where values lie.
struct Scale {
  double low = 0, high = 1;
  bool logarithmic = false;
  double from = 0, to = 1;  // in the picture

  double operator()(double value) const {
    const double share =
        logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return from + (to - from) * share;
  }
};

Scale ScaleOf(const PlotAxis& axis, const std::vector<double>& values, bool margin) {
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!(low <= high)) low = 0, high = 1;
  if (axis.logarithmic) {
    const double room = low < high ? std::pow(high / low, 0.05) : 2;
    return {low / room, high * room, true};
  }
  if (low == high) {
    const double room = axis.whole ? 0.5 : std::max(std::abs(low) * 0.1, 1e-6);
    low -= room;
    high += room;
  } else if (margin) {
    const double room = 0.05 * (high - low);
    // Nothing is below 0 that was not before.
    low = low >= 0 ? std::max(0.0, low - room) : low - room;
    high += room;
  }
  return {axis.low.value_or(low), axis.high.value_or(high)};
}

std::vector<double> TicksOf(const Scale& scale, int parts, bool whole) {
  if (!scale.logarithmic) return Ticks(scale.low, scale.high, parts, whole);
  std::vector<double> ticks;
  const double decades = std::log10(scale.high / scale.low);
  const std::vector<double> factors =
      decades < 2.5 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  const int every = std::max(1, static_cast<int>(decades / 6));
  for (int power = static_cast<int>(std::floor(std::log10(scale.low)));
       std::pow(10, power) <= scale.high; power += every) {
    for (const double factor : factors) {
      const double tick = factor * std::pow(10, power);
      if (tick >= scale.low && tick <= scale.high) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::vector<double> AllOf(const std::vector<Series>& series, std::vector<double> Series::*which) {
  std::vector<double> values;
  for (const Series& one : series) {
    values.insert(values.end(), (one.*which).begin(), (one.*which).end());
  }
  return values;
}

bool ShareTheirX(const std::vector<Series>& series) {
  return std::all_of(series.begin(), series.end(),
                     [&](const Series& one) { return one.x == series[0].x; });
}

// Each as it is drawn.
std::vector<Series> Thinned(const std::vector<Series>& series, bool* thinned) {
  std::vector<Series> thin;
  const size_t most =
      std::clamp<size_t>(kMaxPointsOfAll / std::max<size_t>(1, series.size()), 20, kMaxPoints);
  for (const Series& one : series) {
    const size_t count = std::min(one.x.size(), one.y.size());
    Series few = one;
    few.x.clear();
    few.y.clear();
    const size_t kept = std::min(count, most);
    *thinned = *thinned || kept < count;
    for (size_t i = 0; i < kept; ++i) {
      const size_t from = kept == count ? i : i * (count - 1) / (kept - 1);
      few.x.push_back(one.x[from]);
      few.y.push_back(one.y[from]);
    }
    thin.push_back(std::move(few));
  }
  return thin;
}

Table NumbersOf(const Plot& plot, const std::vector<Series>& series, bool shared) {
  Table table;
  table.caption = plot.title;
  if (!shared) {
    table.columns = {"curve", plot.across.name, plot.up.name};
    for (const Series& one : series) {
      for (size_t i = 0; i < one.x.size(); ++i) {
        table.rows.push_back({Text(one.name), Number(one.x[i]), Number(one.y[i])});
      }
    }
    return table;
  }
  table.columns = {plot.across.name};
  for (const Series& one : series) table.columns.push_back(one.name);
  for (size_t i = 0; !series.empty() && i < series[0].x.size(); ++i) {
    std::vector<Cell> row = {Number(series[0].x[i])};
    for (const Series& one : series) row.push_back(Number(one.y[i]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

// A line through the finite points; a point where one stands alone.
std::string LineOf(const Series& series, const Scale& across, const Scale& up) {
  std::string svg, points;
  size_t in_line = 0;
  double x = 0, y = 0;
  const auto end_line = [&] {
    if (in_line == 1) absl::StrAppend(&svg, DotSvg(x, y, series.colour));
    if (in_line > 1) {
      absl::StrAppend(&svg, "<polyline class=\"line k", series.colour % kColours,
                      series.look == Series::kDashed || series.colour >= kColours ? " dashed" : "",
                      "\" points=\"", points, "\"/>");
    }
    points.clear();
    in_line = 0;
  };
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) {
      end_line();
      continue;
    }
    x = across(series.x[i]);
    y = up(series.y[i]);
    absl::StrAppendFormat(&points, "%s%.1f,%.1f", points.empty() ? "" : " ", x, y);
    ++in_line;
  }
  end_line();
  return svg;
}

std::string SeriesSvg(const Series& series, double bar_width, const Scale& across,
                      const Scale& up) {
  if (series.look == Series::kLine || series.look == Series::kDashed) {
    return LineOf(series, across, up);
  }
  std::string svg;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    if (series.look == Series::kPoints) {
      absl::StrAppend(&svg, DotSvg(across(series.x[i]), up(series.y[i]), series.colour));
      continue;
    }
    const double left = across(series.x[i] - bar_width / 2);
    const double right = across(series.x[i] + bar_width / 2), top = up(series.y[i]);
    absl::StrAppendFormat(
        &svg, "<rect class=\"f%d low\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
        series.colour % kColours, left + 0.5, top, std::max(0.5, right - left - 1),
        std::max(0.0, up.from - top));
  }
  return svg;
}

std::string AxesSvg(const Plot& plot, const Scale& across, const Scale& up,
                    const std::vector<double>& rows) {
  std::string svg;
  const std::vector<double> columns = TicksOf(across, 6, plot.across.whole);
  for (const double tick : rows) {
    absl::StrAppend(&svg, LineSvg("grid", across.from, up(tick), across.to, up(tick)),
                    TextSvg(TickText(tick), across.from - 6, up(tick) + 4, "end"));
  }
  for (const double tick : columns) {
    absl::StrAppend(&svg, LineSvg("axis", across(tick), up.from, across(tick), up.from + 4),
                    TextSvg(TickText(tick), across(tick), up.from + 17, "middle"));
  }
  absl::StrAppend(&svg, LineSvg("axis", across.from, up.from, across.to, up.from),
                  TextSvg(plot.up.name, 2, 12, "start"),
                  TextSvg(plot.across.name, across.to, kHeight - 3, "end"));
  if (plot.diagonal) {
    absl::StrAppend(&svg, LineSvg("mark", across.from, up.from, across.to, up.to));
  }
  for (const Mark& mark : plot.marks) {
    const double x = across(mark.x);
    const bool right_half = x > (across.from + across.to) / 2;
    absl::StrAppend(
        &svg, LineSvg("mark", x, up.to, x, up.from),
        TextSvg(mark.text, right_half ? x - 4 : x + 4, up.to + 10, right_half ? "end" : "start"));
  }
  return svg;
}

}  // namespace

std::vector<double> Ticks(double low, double high, int parts, bool whole) {
  const double raw = (high - low) / parts;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (raw <= factor * power * 1.2) step = factor * power;
  }
  if (whole) step = std::max(1.0, std::round(step));
  std::vector<double> ticks;
  const double slack = step * 1e-9;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k) {
    ticks.push_back(k * step + 0.0);  // not -0
  }
  return ticks;
}

Chart Draw(const Plot& plot) {
  bool thinned = false;
  const std::vector<Series> series = Thinned(plot.series, &thinned);
  const bool shared = !series.empty() && ShareTheirX(series);
  Chart chart = {plot.title, "", plot.note, shared ? Chart::kByX : Chart::kPoints,
                 NumbersOf(plot, series, shared)};
  const std::vector<double> heights = AllOf(series, &Series::y);
  if (std::none_of(heights.begin(), heights.end(), [](double y) { return std::isfinite(y); })) {
    chart.note = "No values to draw.";
    chart.form = Chart::kNone;
    return chart;
  }
  if (thinned) {
    absl::StrAppend(&chart.note, chart.note.empty() ? "" : " ",
                    "Not all points are shown, but evenly spaced ones of each curve.");
  }
  Scale up = ScaleOf(plot.up, heights, true);
  up.from = kHeight - kBottom;
  up.to = kTop;
  const std::vector<double> rows = TicksOf(up, 5, plot.up.whole);
  size_t longest = 1;
  for (const double tick : rows) longest = std::max(longest, TickText(tick).size());
  Scale across = ScaleOf(plot.across, AllOf(series, &Series::x), false);
  across.from = 12 + 6.8 * static_cast<double>(longest);
  across.to = kWidth - kRight;
  std::string svg = absl::StrCat(
      LegendHtml(series),
      absl::StrFormat("<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\" "
                      "data-frame=\"%.1f %.1f %.1f %.1f %.9g %.9g %.9g %.9g %d %d\">",
                      kWidth, kHeight,
                      HtmlText(plot.title + "; its numbers are in the table that follows"),
                      across.from, up.to, across.to - across.from, up.from - up.to, across.low,
                      across.high, up.low, up.high, across.logarithmic, up.logarithmic),
      AxesSvg(plot, across, up, rows));
  for (const Series& one : series) {
    absl::StrAppend(&svg, SeriesSvg(one, plot.bar_width, across, up));
  }
  chart.svg = svg + "</svg>";
  return chart;
}

}  // namespace pipeline
