// Curves as SVG.
#include "pipeline/cli/svg.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/report/charts.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr double kLeft = 70, kRight = 24, kWidth = 660, kHeight = 220;
constexpr double kGap = 46, kLegendLine = 20;
constexpr size_t kMostCharacters = 88;  // of a line of the legend

// Most are those of Okabe and Ito; any two are told apart (CIELAB distance above 14) with each kind
// of colour blindness, on light and on dark.
constexpr char kStyle[] =
    "<style>\n"
    ".page{fill:#fff}text{fill:#46505a}.title{fill:#1c2329;font-size:14px;font-weight:600}\n"
    ".grid{stroke:#e6eaee}.axis{stroke:#8a94a0}.curve{fill:none;stroke-width:2.2;"
    "stroke-linejoin:round}\n"
    ".dashed{stroke-dasharray:7 4}.mark{fill:#fff;stroke-width:1.8}\n"
    ".c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}"
    ".c4{stroke:#1c2329}.c5{stroke:#e69f00}.c6{stroke:#56b4e9}.c7{stroke:#6b4423}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".page,.mark{fill:#12161a}text{fill:#a3adb7}.title{fill:#e4e8ec}.grid{stroke:#2a323a}"
    ".axis{stroke:#707b86}\n"
    ".c0{stroke:#4a9fe0}.c1{stroke:#f0823c}.c2{stroke:#2fd3a5}.c3{stroke:#e39fd0}"
    ".c4{stroke:#e4e8ec}.c5{stroke:#f0e442}.c6{stroke:#a5d8ff}.c7{stroke:#7d8f6a}}\n"
    "</style>\n";

// A shape for each colour, around (0, 0), for who sees or prints no colours.
constexpr const char* kMarks[kMostPlotted] = {"M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0",
                                              "M-3.6,-3.6h7.2v7.2h-7.2z",
                                              "M0,-4.8L4.6,3.4H-4.6z",
                                              "M0,-5L5,0L0,5L-5,0z",
                                              "M0,4.8L4.6,-3.4H-4.6z",
                                              "M-5,0H5M0,-5V5",
                                              "M-3.8,-3.8L3.8,3.8M-3.8,3.8L3.8,-3.8",
                                              "M-5,0H5M-2.5,-4.3L2.5,4.3M-2.5,4.3L2.5,-4.3"};
constexpr int kMarksOfACurve = 5;

struct Span {
  double low, high;
  double Share(double value) const { return (value - low) / (high - low); }
};

// Curves that share axes, each with the number of its colour.
struct Group {
  Axes axes;
  std::vector<std::pair<const Curve*, size_t>> curves;
};

std::vector<Group> GroupsOf(const std::vector<Plotted>& all) {
  std::vector<Group> groups;
  for (size_t i = 0; i < all.size(); ++i) {
    for (const Curve& curve : all[i].curves) {
      const auto same = [&](const Group& group) { return group.axes == curve.axes; };
      auto group = std::find_if(groups.begin(), groups.end(), same);
      if (group == groups.end()) group = groups.insert(groups.end(), {curve.axes, {}});
      group->curves.emplace_back(&curve, i);
    }
  }
  return groups;
}

using Values = std::vector<double> Curve::*;

Span Across(const Group& group) {
  Span span = {INFINITY, -INFINITY};
  for (const auto& [curve, color] : group.curves) {
    span.low = std::min(span.low, curve->x.front());
    span.high = std::max(span.high, curve->x.back());
  }
  return span;
}

Span Up(const Group& group, Values values) {
  Span span = {INFINITY, -INFINITY};
  for (const auto& [curve, color] : group.curves) {
    for (size_t i = 0; i < curve->x.size(); ++i) {
      const double x = curve->x[i], value = (curve->*values)[i];
      if (!std::isfinite(value) || x < group.axes.from || x > group.axes.to) continue;
      span.low = std::min(span.low, value);
      span.high = std::max(span.high, value);
    }
  }
  // Constant but for rounding, or nothing to see.
  if (!(span.high - span.low > 1e-9 * std::max(std::abs(span.low), std::abs(span.high)))) {
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

std::string Text(double x, double y, const char* attributes, const std::string& text) {
  return absl::StrFormat("<text x='%.1f' y='%.1f' %s>%s</text>\n", x, y, attributes, text);
}

std::string Line(const char* style, double x1, double y1, double x2, double y2) {
  return absl::StrFormat("<line class='%s' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>\n", style, x1,
                         y1, x2, y2);
}

std::string Mark(size_t color, double x, double y) {
  return absl::StrFormat("<path class='mark c%d' transform='translate(%.1f,%.1f)' d='%s'/>\n",
                         color, x, y, kMarks[color]);
}

// One pair of axes whose upper edge is at `top`, with curves.
class Panel {
 public:
  // `plotted` of them are in the picture.
  Panel(const Group& group, size_t plotted, Values values, double top)
      : group_(group),
        plotted_(plotted),
        values_(values),
        top_(top),
        across_(Across(group)),
        up_(Up(group, values)) {}

  std::string Svg(const std::string& name) const {
    std::string svg = Text(kLeft, top_ - 8, "class='title'", Escaped(name));
    for (const double tick : Ticks(across_.low, across_.high, 8, false)) {
      absl::StrAppend(
          &svg, Line(tick == 0 ? "axis" : "grid", Left(tick), top_, Left(tick), Bottom()),
          Text(Left(tick), Bottom() + 17, "text-anchor='middle'", absl::StrFormat("%.4g", tick)));
    }
    for (const double tick : Ticks(up_.low, up_.high, 5, false)) {
      absl::StrAppend(
          &svg,
          Line(tick == 0 ? "axis" : "grid", kLeft, Height(tick), kLeft + kWidth, Height(tick)),
          Text(kLeft - 8, Height(tick) + 4, "text-anchor='end'", absl::StrFormat("%.4g", tick)));
    }
    for (const auto& [curve, color] : group_.curves) absl::StrAppend(&svg, Drawn(*curve, color));
    for (const auto& [curve, color] : group_.curves) absl::StrAppend(&svg, Marks(*curve, color));
    return svg;
  }

 private:
  double Bottom() const { return top_ + kHeight; }
  double Left(double x) const { return kLeft + kWidth * across_.Share(x); }
  double Height(double value) const { return top_ + kHeight * (1 - up_.Share(value)); }

  // Where the segment from a point to one outside crosses the panel's upper or lower edge.
  std::string Crossing(double x, double y, double outside_x, double outside_y) const {
    const double edge = outside_y > up_.high ? up_.high : up_.low;
    const double share = (edge - y) / (outside_y - y);
    return Point(x + share * (outside_x - x), edge);
  }

  std::string Point(double x, double y) const {
    return absl::StrFormat("%.2f,%.2f ", Left(x), Height(y));
  }

  // A curve that leaves the panel ends at its edge.
  std::string Drawn(const Curve& curve, size_t color) const {
    const std::vector<double>& values = curve.*values_;
    std::string svg, points;
    const auto end = [&] {
      if (!points.empty()) {
        absl::StrAppendFormat(&svg, "<polyline class='curve c%d%s' points='%s'/>\n", color,
                              curve.dashed ? " dashed" : "", points);
      }
      points.clear();
    };
    const auto inside = [&](size_t i) { return values[i] >= up_.low && values[i] <= up_.high; };
    for (size_t i = 0; i < curve.x.size(); ++i) {
      const bool before = i > 0 && std::isfinite(values[i - 1]) && std::isfinite(values[i]);
      if (inside(i)) {
        if (before && !inside(i - 1)) {
          points = Crossing(curve.x[i], values[i], curve.x[i - 1], values[i - 1]);
        }
        absl::StrAppend(&points, Point(curve.x[i], values[i]));
        continue;
      }
      if (before && inside(i - 1)) {
        absl::StrAppend(&points, Crossing(curve.x[i - 1], values[i - 1], curve.x[i], values[i]));
      }
      end();
    }
    end();
    return svg;
  }

  // Not where those of the other curves are.
  std::string Marks(const Curve& curve, size_t color) const {
    if (plotted_ == 1) return "";
    std::string svg;
    for (int k = 0; k < kMarksOfACurve; ++k) {
      const double own = (static_cast<double>(color) + 0.5) / static_cast<double>(plotted_);
      const double share = (k + own) / kMarksOfACurve;
      const auto i = static_cast<size_t>(share * static_cast<double>(curve.x.size() - 1));
      const double value = (curve.*values_)[i];
      if (!(value >= up_.low && value <= up_.high)) continue;
      absl::StrAppend(&svg, Mark(color, Left(curve.x[i]), Height(value)));
    }
    return svg;
  }

  const Group& group_;
  const size_t plotted_;
  const Values values_;
  const double top_;
  const Span across_, up_;
};

std::string Names(const std::vector<Plotted>& all) {
  std::vector<std::string> labels;
  for (const Plotted& plotted : all) labels.push_back(Escaped(plotted.label));
  return absl::StrJoin(labels, ", ");
}

std::string Legend(const std::vector<Plotted>& all) {
  if (all.size() == 1) {
    return Text(kLeft, 26, "class='title' style='font-size:16px'", Escaped(all[0].label));
  }
  std::string svg;
  for (size_t i = 0; i < all.size(); ++i) {
    const double y = 24 + kLegendLine * static_cast<double>(i);
    std::string label = Printable(all[i].label);
    if (CharactersIn(label) > kMostCharacters) {
      label = FirstCharacters(label, kMostCharacters - 1) + "…";
    }
    absl::StrAppend(&svg, Line(absl::StrCat("curve c", i).c_str(), kLeft, y - 4, kLeft + 28, y - 4),
                    Mark(i, kLeft + 14, y - 4),
                    Text(kLeft + 38, y, "font-size='13'", Escaped(label)));
  }
  return svg;
}

}  // namespace

std::string SvgOf(const std::vector<Plotted>& all) {
  std::string body = Legend(all);
  double top = 24 + kLegendLine * static_cast<double>(all.size()) + 22;
  for (const Group& group : GroupsOf(all)) {
    absl::StrAppend(&body, Panel(group, all.size(), &Curve::value, top).Svg(group.axes.value));
    top += kHeight + kGap;
    absl::StrAppend(&body, Panel(group, all.size(), &Curve::slope, top).Svg(group.axes.slope));
    top += kHeight + 36;
    absl::StrAppend(&body, Text(kLeft + kWidth / 2, top, "text-anchor='middle' font-size='13'",
                                Escaped(group.axes.x)));
    if (!group.axes.note.empty()) {
      top += 20;
      absl::StrAppend(
          &body, Text(kLeft + kWidth / 2, top, "text-anchor='middle'", Escaped(group.axes.note)));
    }
    top += kGap;
  }
  const double width = kLeft + kWidth + kRight, height = top - kGap + 16;
  return absl::StrFormat(
      "<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' viewBox='0 0 %.0f %.0f' "
      "font-family='sans-serif' font-size='12' role='img'>\n<title>%s</title>\n%s<rect "
      "class='page' width='100%%' "
      "height='100%%'/>\n%s</svg>\n",
      width, height, width, height, Names(all), kStyle, body);
}

}  // namespace pipeline
