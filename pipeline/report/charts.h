// Charts as SVG in the colours of the page, each with its numbers as a table.
#ifndef PIPELINE_REPORT_CHARTS_H_
#define PIPELINE_REPORT_CHARTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/report/page.h"

namespace pipeline {

// Colours are those of Okabe and Ito, which people of any colour vision tell apart; from the ninth
// on they come again, dashed.
constexpr int kColours = 8;

struct Series {
  enum Look { kLine, kDashed, kPoints, kBars };

  std::string name;
  std::vector<double> x, y;  // y may be NaN: a gap
  int colour = 0;
  Look look = kLine;
};

struct PlotAxis {
  std::string name;
  std::optional<double> low, high;  // otherwise those of the values, with a margin
  bool whole = false;               // whole numbers only, such as epochs
  bool logarithmic = false;         // all values are above 0
};

// A place on the horizontal axis.
struct Mark {
  double x = 0;
  std::string text;
};

struct Plot {
  std::string title;
  PlotAxis across, up;
  std::vector<Series> series;
  std::vector<Mark> marks;
  bool diagonal = false;  // from corner to corner: such as that of guessing
  double bar_width = 0;   // of kBars, in units of x
  std::string note;
};

// A chart without a single finite value says so. Series of equal x make one table by x; else each
// of their points is a row. A series has at most kMaxPoints points in the picture and table, fewer
// where many share a chart; of more, evenly spaced ones, the first and the last among them, and the
// note says so.
constexpr size_t kMaxPoints = 250, kMaxPointsOfAll = 3000;
Chart Draw(const Plot& plot);

// The parts of a whole, as one bar.
struct Parts {
  std::string title;
  std::string unit;
  std::vector<std::pair<std::string, double>> parts;
  std::string note;
};
Chart Draw(const Parts& parts);

// A row for each name: its value and an interval around it.
struct Intervals {
  struct Row {
    std::string name;
    double low = 0, value = 0, high = 0;  // NaN where there is none
    int colour = 0;
  };

  std::string title;
  std::string unit;  // of the values, after the title's words
  std::vector<Row> rows;
  std::optional<double> reference;  // a line across all of them, such as 0
  std::string note;
};
Chart Draw(const Intervals& intervals);

// How values lie in each row: 90 % of them from low to high, half from lower to upper. Rows of one
// group follow each other, below its name.
struct Boxes {
  struct Row {
    std::string group, name;
    double low = 0, lower = 0, middle = 0, upper = 0, high = 0;
    int colour = 0;
  };

  std::string title;
  std::vector<Row> rows;
  std::string note;
};
Chart Draw(const Boxes& boxes);

// Values between low and high (low < high) at round places, about `parts` of them.
std::vector<double> Ticks(double low, double high, int parts, bool whole);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_CHARTS_H_
