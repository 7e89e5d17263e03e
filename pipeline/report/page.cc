// The template filled in.
#include "pipeline/report/page.h"

#include <cmath>
#include <functional>
#include <kainjow/mustache.hpp>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "pipeline/report.h"
#include "pipeline/report/page_files.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

using kainjow::mustache::data;
using kainjow::mustache::mustache;

constexpr double kNoOrder = std::numeric_limits<double>::quiet_NaN();

// A text, or nothing: in mustache an empty one would still be something.
data TextOrNone(const std::string& text) {
  if (text.empty()) return data(data::type::bool_false);
  return data(Printable(text));
}

data List() { return data(data::type::list); }

// A name of so many characters has a wider column, where there is room, than its table would give
// it.
constexpr size_t kLongName = 20;

// `numbers`: the column has some, so that a dash stands where they do.
std::string CellHtml(const Cell& cell, bool name, bool numbers) {
  std::string classes, more;
  if (!std::isnan(cell.order)) {
    classes = "n";
    more = absl::StrFormat(" data-n=\"%.9g\"", cell.order);
  }
  if (classes.empty() && numbers && cell.text == "-") classes = "n";
  if (cell.shade > 0) {
    absl::StrAppend(&classes, " s", cell.wrong ? " w" : "");
    absl::StrAppendFormat(&more, " style=\"--v:%.2f\"", std::min(cell.shade, 1.0));
  }
  if (cell.strong) absl::StrAppend(&classes, " b");
  if (name && cell.text.size() > kLongName) absl::StrAppend(&classes, " long");
  if (!classes.empty()) {
    absl::StrAppend(&more, " class=\"", absl::StripLeadingAsciiWhitespace(classes), "\"");
  }
  const char* tag = name ? "th" : "td";
  return absl::StrCat("<", tag, name ? " scope=\"row\"" : "", more, ">", HtmlText(cell.text), "</",
                      tag, ">");
}

bool HasNumbers(const Table& table, size_t column) {
  return column > 0 && std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
           return column < row.size() && !std::isnan(row[column].order);
         });
}

std::string TableHtml(const Table& table) {
  const std::string caption = HtmlText(table.caption);
  std::string html;
  // Beside the table, so that it does not scroll away with it.
  if (!caption.empty()) {
    absl::StrAppend(&html, "<p class=\"caption\" aria-hidden=\"true\">", caption, "</p>");
  }
  absl::StrAppend(&html, "<div class=\"scroll\" tabindex=\"0\"><table",
                  table.sortable ? " class=\"sortable\"" : "", " aria-label=\"", caption, "\">");
  absl::StrAppend(&html, "<thead><tr>");
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const std::string name = HtmlText(table.columns[i]);
    absl::StrAppend(
        &html, "<th scope=\"col\"", HasNumbers(table, i) ? " class=\"n\">" : ">",
        table.sortable ? absl::StrCat("<button type=\"button\">", name, "</button>") : name,
        "</th>");
  }
  absl::StrAppend(&html, "</tr></thead><tbody>\n");
  std::vector<bool> numbers;
  for (size_t i = 0; i < table.columns.size(); ++i) numbers.push_back(HasNumbers(table, i));
  for (const std::vector<Cell>& row : table.rows) {
    absl::StrAppend(&html, "<tr>");
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&html, CellHtml(row[i], i == 0, i < numbers.size() && numbers[i]));
    }
    absl::StrAppend(&html, "</tr>\n");
  }
  return html + "</tbody></table></div>";
}

// Lines stay lines.
std::string CodeHtml(const std::string& text) {
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(HtmlText(absl::StrReplaceAll(line, {{"\t", "    "}})));
  }
  return absl::StrJoin(lines, "\n");
}

const char* FormName(Chart::Form form) {
  return form == Chart::kByX ? "x" : form == Chart::kPoints ? "points" : "parts";
}

data Filled(const Finding& finding) {
  constexpr struct {
    const char *name, *word;
  } kSeverities[] = {{"stop", "Stop."}, {"care", "Care."}, {"remark", "Note."}};
  const auto& severity = kSeverities[static_cast<int>(finding.severity)];
  data one, details = List();
  for (const std::string& line : finding.details) {
    data detail;
    detail.set("line", Printable(line));
    details << detail;
  }
  one.set("class", severity.name);
  one.set("word", severity.word);
  one.set("text", Printable(finding.text));
  one.set("has_details",
          data(finding.details.empty() ? data::type::bool_false : data::type::bool_true));
  one.set("summary", finding.details.size() == 1
                         ? std::string("which")
                         : absl::StrCat("which (", finding.details.size(), ")"));
  one.set("details", details);
  return one;
}

// What a template's section of a block is called, and what is in it.
struct BlockData {
  size_t* pictures;  // that may still be shown

  std::pair<std::string, data> operator()(const Paragraph& paragraph) {
    data block;
    block.set("text", Printable(paragraph.text));
    block.set("lead", data(paragraph.lead ? data::type::bool_true : data::type::bool_false));
    return {"paragraph", block};
  }
  std::pair<std::string, data> operator()(const Tiles& tiles) {
    data block, all = List();
    for (const Tiles::Tile& tile : tiles.tiles) {
      data one;
      one.set("name", Printable(tile.name));
      one.set("value", Printable(tile.value));
      one.set("note", TextOrNone(tile.note));
      all << one;
    }
    block.set("tile", all);
    return {"tiles", block};
  }
  std::pair<std::string, data> operator()(const Findings& findings) {
    data block, all = List();
    for (const Finding& finding : findings.findings) all << Filled(finding);
    block.set("finding", all);
    return {"findings", block};
  }
  std::pair<std::string, data> operator()(const Facts& facts) {
    data block, all = List();
    for (const auto& [name, value] : facts.facts) {
      data one;
      one.set("name", Printable(name));
      one.set("value", Printable(value));
      all << one;
    }
    block.set("fact", all);
    return {"facts", block};
  }
  std::pair<std::string, data> operator()(const Table& table) {
    data block;
    block.set("html", TableHtml(table));
    return {"table", block};
  }
  std::pair<std::string, data> operator()(const Charts& charts) {
    data block, all = List();
    for (const Chart& chart : charts.charts) {
      data one;
      one.set("title", Printable(chart.title));
      one.set("svg", chart.svg);
      one.set("note", TextOrNone(chart.note));
      one.set("form", FormName(chart.form));
      one.set("html", TableHtml(chart.numbers));
      all << one;
    }
    block.set("chart", all);
    return {"charts", block};
  }
  std::pair<std::string, data> operator()(const Gallery& gallery) {
    const size_t shown = std::min(*pictures, gallery.pictures.size());
    *pictures -= shown;
    data block, all = List();
    for (size_t i = 0; i < shown; ++i) {
      const Picture& picture = gallery.pictures[i];
      data one;
      one.set("data", absl::Base64Escape(picture.jpeg));
      one.set("alt", Printable(picture.alt));
      std::vector<std::string> lines;
      for (const absl::string_view line : absl::StrSplit(picture.caption, '\n')) {
        lines.push_back(HtmlText(std::string(line)));
      }
      one.set("caption", absl::StrJoin(lines, "<br>"));
      all << one;
    }
    const size_t left_out = gallery.pictures.size() - shown;
    block.set("title", Printable(gallery.title));
    block.set("note", TextOrNone(gallery.note));
    block.set("pictures", all);
    block.set("left_out",
              TextOrNone(left_out == 0 ? ""
                                       : absl::StrCat(left_out,
                                                      " more pictures are left out: a page has at "
                                                      "most 2 MB")));
    return {"gallery", block};
  }
  std::pair<std::string, data> operator()(const Code& code) {
    data block;
    block.set("name", Printable(code.name));
    block.set("html", CodeHtml(code.text));
    return {"code", block};
  }
};

std::string Rendered(const Page& page, size_t pictures) {
  data sections = List();
  for (const Section& section : page.sections) {
    data one, blocks = List();
    one.set("id", section.id);
    one.set("title", Printable(section.title));
    for (const Block& block : section.blocks) {
      data filled;
      // What one block has must not be looked for in what lies around it.
      for (const char* name :
           {"paragraph", "tiles", "findings", "facts", "table", "charts", "gallery", "code"}) {
        filled.set(name, data(data::type::bool_false));
      }
      auto [name, content] = std::visit(BlockData{&pictures}, block);
      filled.set(name, content);
      blocks << filled;
    }
    one.set("blocks", blocks);
    sections << one;
  }
  data all;
  all.set("title", Printable(page.title));
  all.set("subtitle", TextOrNone(page.subtitle));
  all.set("style", kPageStyle);
  all.set("script", kPageScript);
  all.set("sections", sections);
  // Only this script runs, whatever a text holds: none can name the hash of all of them.
  all.set("nonce", absl::StrFormat("%016x", std::hash<std::string>()(absl::StrCat(
                                                page.title, page.subtitle, kPageScript))));
  mustache form{std::string(kPageTemplate)};
  return form.render(all);
}

size_t PicturesIn(const Page& page) {
  size_t count = 0;
  for (const Section& section : page.sections) {
    for (const Block& block : section.blocks) {
      if (const auto* gallery = std::get_if<Gallery>(&block)) count += gallery->pictures.size();
    }
  }
  return count;
}

// How many of the page's pictures, from the first, have at most `bytes` as base64.
size_t PicturesWithin(const Page& page, size_t bytes) {
  size_t count = 0;
  for (const Section& section : page.sections) {
    for (const Block& block : section.blocks) {
      const auto* gallery = std::get_if<Gallery>(&block);
      if (gallery == nullptr) continue;
      for (const Picture& picture : gallery->pictures) {
        // Its frame, with captions that may be escaped to several times their length.
        const size_t needed = (picture.jpeg.size() + 2) / 3 * 4 +
                              6 * (picture.caption.size() + picture.alt.size()) + 200;
        if (needed > bytes) return count;
        bytes -= needed;
        ++count;
      }
    }
  }
  return count;
}

}  // namespace

Cell Text(std::string text) { return {std::move(text), kNoOrder}; }

Cell Number(double value, int digits) {
  if (std::isnan(value)) return {"-", kNoOrder};
  return {absl::StrFormat("%.*g", digits, value), value};
}

Cell Count(int64_t value) { return {Thousands(value), static_cast<double>(value)}; }

Cell PercentCell(double share) { return {Percent(share), share}; }

std::string HtmlText(const std::string& text) {
  return kainjow::mustache::html_escape(Printable(text));
}

std::string Html(const Page& page) {
  const std::string whole = Rendered(page, PicturesIn(page));
  if (whole.size() <= kMaxPage || PicturesIn(page) == 0) return whole;
  const size_t bare = Rendered(page, 0).size();
  return Rendered(page, bare < kMaxPage ? PicturesWithin(page, kMaxPage - bare) : 0);
}

}  // namespace pipeline
