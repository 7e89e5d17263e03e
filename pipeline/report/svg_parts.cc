// Lines, texts and legends.
#include "pipeline/report/svg_parts.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/utf8.h"

namespace pipeline {

std::string LineSvg(const std::string& look, double x1, double y1, double x2, double y2) {
  return absl::StrFormat("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                         look, x1, y1, x2, y2);
}

std::string TextSvg(const std::string& text, double x, double y, const std::string& anchor) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor,
                         HtmlText(text));
}

std::string DotSvg(double x, double y, int colour) {
  return absl::StrFormat("<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>",
                         colour % kColours, x, y);
}

std::string TickText(double value) {
  return std::abs(value) >= 1e4 && std::abs(value) < 1e15 ? absl::StrFormat("%.3g", value)
                                                          : absl::StrFormat("%.6g", value);
}

std::string LegendHtml(const std::vector<Series>& series) {
  if (series.size() < 2) return "";
  std::string html = "<div class=\"legend\">";
  for (const Series& one : series) {
    const int colour = one.colour % kColours;
    const bool dashed = one.look == Series::kDashed || one.colour >= kColours;
    absl::StrAppend(&html, "<span><svg class=\"key\" viewBox=\"0 0 22 10\" aria-hidden=\"true\">");
    if (one.look == Series::kBars) {
      absl::StrAppend(&html, "<rect class=\"f", colour,
                      " low\" x=\"5\" y=\"0\" width=\"12\" height=\"10\"/>");
    } else if (one.look == Series::kPoints) {
      absl::StrAppend(&html, DotSvg(11, 5, colour));
    } else {
      absl::StrAppend(&html, "<line class=\"line k", colour, dashed ? " dashed" : "",
                      "\" x1=\"1\" y1=\"5\" x2=\"21\" y2=\"5\"/>");
    }
    absl::StrAppend(&html, "</svg>", HtmlText(one.name), "</span> ");
  }
  return html + "</div>";
}

std::string Shortened(const std::string& text, size_t count) {
  const std::string valid = Printable(text);
  if (CharactersIn(valid) <= count) return valid;
  return FirstCharacters(valid, count - 1) + "…";
}

}  // namespace pipeline
