// A page of HTML that stands alone: one file that opens from disk and asks no network for anything.
// What is said here is data; the page escapes all of it.
#ifndef PIPELINE_REPORT_PAGE_H_
#define PIPELINE_REPORT_PAGE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pipeline/gallery.h"

namespace pipeline {

// Texts may come from anybody's disk: they are shown as Printable shows them.

// Of a table. A cell with an order is a number, and is sorted by it.
struct Cell {
  std::string text;
  double order;         // NaN: it is sorted by its text
  double shade = 0;     // from 0 to 1: how strongly it is coloured
  bool wrong = false;   // in the colour of mistakes
  bool strong = false;  // such as the best of its column
};
Cell Text(std::string text);
// "-" of NaN; six digits tell a float32 from its neighbours where people look.
Cell Number(double value, int digits = 6);
Cell Count(int64_t value);
Cell PercentCell(double share);

struct Table {
  std::string caption;
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;  // the first cell of each names it
  bool sortable = false;                // by a click on a column's name
};

// An SVG picture of ours, and the numbers in it.
struct Chart {
  std::string title;
  std::string svg;
  std::string note;  // what it says or leaves out; "" for nothing
  // In `numbers` the first column is x and each other one a curve (kByX), or each row is a point:
  // its curve, x, y (kPoints). kNone: the picture's parts carry their own values for the pointer.
  enum Form { kNone, kByX, kPoints } form = kNone;
  Table numbers;
};

struct Paragraph {
  std::string text;
  bool lead = false;  // larger: what is read first
};
// The few numbers that are read first.
struct Tiles {
  struct Tile {
    std::string name, value, note;
  };
  std::vector<Tile> tiles;
};
// What a reader must know before believing a number.
enum class Severity { kStop, kCare, kNote };
struct Finding {
  Severity severity = Severity::kNote;
  std::string text;
  std::vector<std::string> details;  // lines, folded
};
struct Findings {
  std::vector<Finding> findings;
};
// Names and their values.
struct Facts {
  std::vector<std::pair<std::string, std::string>> facts;
};
// Text to copy.
struct Code {
  std::string name;
  std::string text;
};
struct Charts {
  std::vector<Chart> charts;
};

using Block = std::variant<Paragraph, Tiles, Findings, Facts, Table, Charts, Gallery, Code>;

struct Section {
  std::string id;  // of its link: letters, digits and hyphens
  std::string title;
  std::vector<Block> blocks;
};

struct Page {
  std::string title;
  std::string subtitle;
  std::vector<Section> sections;
};

// A page never has more bytes; pictures are left out, from the last, until it fits, and the page
// says how many.
constexpr size_t kMaxPage = size_t{2} << 20;

std::string Html(const Page& page);

// `text` with HTML's five characters escaped and what is not printable shown by its bytes.
std::string HtmlText(const std::string& text);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_PAGE_H_
