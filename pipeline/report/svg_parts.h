// What charts are made of.
#ifndef PIPELINE_REPORT_SVG_PARTS_H_
#define PIPELINE_REPORT_SVG_PARTS_H_

#include <string>
#include <vector>

#include "pipeline/report/charts.h"

namespace pipeline {

std::string LineSvg(const std::string& look, double x1, double y1, double x2, double y2);
// `anchor` as SVG has it; the text is escaped.
std::string TextSvg(const std::string& text, double x, double y, const std::string& anchor);
std::string DotSvg(double x, double y, int colour);

// "0.2", "1e-05".
std::string TickText(double value);

// A line or a patch of each series' look, and its name; nothing of a single one.
std::string LegendHtml(const std::vector<Series>& series);

// At most `count` characters, the last being "…" where more were there.
std::string Shortened(const std::string& text, size_t count);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_SVG_PARTS_H_
