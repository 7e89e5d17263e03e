// Pages: whatever their texts hold, they stay one harmless file of at most 2 MB.
#include "pipeline/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/report/charts.h"
#include "pipeline/report/run_folders.h"

namespace pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "</script></style><svg onload=alert(1)>'\"&{{x}}";
constexpr char kHarmless[] =
    "&lt;/script&gt;&lt;/style&gt;&lt;svg onload=alert(1)&gt;&apos;&quot;&amp;{{x}}";

// A hostile text wherever a page takes one.
Page HostilePage() {
  Plot plot;
  plot.title = plot.across.name = plot.up.name = plot.note = kHostile;
  plot.series = {{kHostile, {1, 2}, {3, 4}, 0}, {kHostile, {1, 2}, {4, 3}, 1}};
  plot.marks = {{1, kHostile}};
  Parts parts = {kHostile, kHostile, {{kHostile, 1}, {kHostile, 2}}, kHostile};
  Intervals intervals = {kHostile, kHostile, {{kHostile, 1, 2, 3}}, 0, kHostile};
  Table table = {kHostile, {kHostile, kHostile}, {{Text(kHostile), Text(kHostile)}}, true};
  Gallery gallery = {kHostile, kHostile, {{"jpeg", kHostile, kHostile}}};
  return {
      kHostile,
      kHostile,
      {{"s",
        kHostile,
        {Paragraph{kHostile}, Tiles{{{kHostile, kHostile, kHostile}}},
         Findings{{{Severity::kStop, kHostile, {kHostile}}}}, Facts{{{kHostile, kHostile}}}, table,
         Charts{{Draw(plot), Draw(parts), Draw(intervals)}}, gallery, Code{kHostile, kHostile}}}}};
}

TEST(Page, EscapesEveryTextInEveryPlace) {
  const std::string html = Html(HostilePage());
  EXPECT_THAT(html, Not(HasSubstr("<svg onload")));
  EXPECT_EQ(CountIn(html, "</script>"), 1);
  EXPECT_EQ(CountIn(html, "</style>"), 1);
  // A text of each of the 47 places; none is lost, and none is a template's tag.
  EXPECT_GE(CountIn(html, kHarmless), 40);
  EXPECT_EQ(CountIn(html, "onload=alert(1)"), CountIn(html, kHarmless));
}

TEST(Page, ShowsBytesThatAreNoTextAndKeepsLinesOfCode) {
  Page page = {"a\xFF", "", {{"s", "t", {Paragraph{"b\x01\x80"}, Code{"c", "one\n\ttwo\x02\n"}}}}};
  const std::string html = Html(page);
  EXPECT_THAT(html, HasSubstr("<h1>a\\xFF</h1>"));
  EXPECT_THAT(html, HasSubstr("<p>b\\x01\\x80</p>"));
  EXPECT_THAT(html, HasSubstr("<code>one\n    two\\x02\n</code>"));
}

TEST(Page, AsksNoNetworkAndRunsNoScriptButItsOwn) {
  const std::string html = Html(HostilePage());
  EXPECT_THAT(html, HasSubstr("default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
                              "script-src 'nonce-"));
  EXPECT_THAT(html, Not(HasSubstr("src=\"http")));
  EXPECT_THAT(html, Not(HasSubstr("href=\"http")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
}

TEST(Page, LeavesOutPicturesBeyondTwoMegabytesAndSaysSo) {
  Gallery gallery = {"pictures", "", {}};
  for (int i = 0; i < 10; ++i) {
    gallery.pictures.push_back({std::string(400'000, 'x'), absl::StrCat("picture ", i), ""});
  }
  const std::string html = Html({"t", "", {{"s", "t", {gallery}}}});
  EXPECT_LE(html.size(), kMaxPage);
  // 400,000 bytes are 533,336 as base64: three fit into 2,097,152 beside the page itself.
  EXPECT_EQ(CountIn(html, "data:image/jpeg;base64,"), 3);
  EXPECT_THAT(html, HasSubstr("picture 2"));
  EXPECT_THAT(html, Not(HasSubstr("picture 3")));
  EXPECT_THAT(html, HasSubstr("7 more pictures are left out"));
}

TEST(Page, SortsCellsByWhatTheyMean) {
  Table table = {
      "", {"run", "score"}, {{Text("a"), Number(0.123456789)}, {Text("b"), Number(NAN)}}};
  const std::string html = Html({"t", "", {{"s", "t", {table}}}});
  EXPECT_THAT(html, HasSubstr("<td data-n=\"0.123456789\" class=\"n\">0.123457</td>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\">-</td>"));
}

TEST(Charts, HaveTheirNumbersAsATable) {
  Plot plot;
  plot.title = "Loss";
  plot.across = {"epoch"};
  plot.up.name = "value";
  plot.series = {{"training", {1, 2, 3}, {0.5, NAN, 0.25}, 0},
                 {"validation", {1, 2, 3}, {0.75, 0.625, 0.5}, 1, Series::kDashed}};
  const Chart chart = Draw(plot);
  EXPECT_EQ(chart.form, Chart::kByX);
  EXPECT_THAT(chart.numbers.columns, ElementsAre("epoch", "training", "validation"));
  ASSERT_EQ(chart.numbers.rows.size(), 3);
  EXPECT_EQ(chart.numbers.rows[1][0].text, "2");
  EXPECT_EQ(chart.numbers.rows[1][1].text, "-");
  EXPECT_EQ(chart.numbers.rows[1][2].text, "0.625");
  // A gap cuts the line into two points.
  EXPECT_EQ(CountIn(chart.svg, "<circle"), 2);
  EXPECT_THAT(chart.svg, HasSubstr("role=\"img\" aria-label=\"Loss; its numbers are in the table"));
}

TEST(Charts, ListPointsWhereCurvesHaveTheirOwnX) {
  Plot plot;
  plot.across.name = "fpr";
  plot.up.name = "tpr";
  plot.series = {{"a", {0, 1}, {0, 1}, 0}, {"b", {0, 0.5, 1}, {0, 1, 1}, 1}};
  const Chart chart = Draw(plot);
  EXPECT_EQ(chart.form, Chart::kPoints);
  EXPECT_THAT(chart.numbers.columns, ElementsAre("curve", "fpr", "tpr"));
  ASSERT_EQ(chart.numbers.rows.size(), 5);
  EXPECT_EQ(chart.numbers.rows[3][0].text, "b");
  EXPECT_EQ(chart.numbers.rows[3][1].text, "0.5");
}

TEST(Charts, DrawEveryValueInsideTheFrame) {
  Plot plot;
  plot.series = {{"a", {1, 2, 3}, {-1e6, 0, 3e-9}, 0}};
  for (const bool logarithmic : {false, true}) {
    if (logarithmic) plot.series[0].y = {1e-7, 1, 3e4};
    plot.up.logarithmic = logarithmic;
    const std::string svg = Draw(plot).svg;
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
    const size_t at = svg.find("points=\"");
    ASSERT_NE(at, std::string::npos);
    std::istringstream points(svg.substr(at + 8, svg.find('"', at + 8) - at - 8));
    double x = 0, y = 0;
    char comma = 0;
    int count = 0;
    for (; points >> x >> comma >> y; ++count) {
      EXPECT_GE(y, 22);
      EXPECT_LE(y, 214);
    }
    EXPECT_EQ(count, 3);
  }
}

TEST(Charts, ThinOutLongCurvesAndSaySo) {
  Plot plot;
  Series series = {"a", {}, {}, 0};
  for (int i = 0; i < 10'000; ++i) {
    series.x.push_back(i);
    series.y.push_back(2 * i);
  }
  plot.series = {series};
  const Chart chart = Draw(plot);
  ASSERT_EQ(chart.numbers.rows.size(), kMaxPoints);
  EXPECT_EQ(chart.numbers.rows.front()[1].text, "0");
  EXPECT_EQ(chart.numbers.rows.back()[1].text, "19998");
  EXPECT_THAT(chart.note, HasSubstr("evenly spaced ones"));
}

TEST(Charts, SayWhereThereIsNothingToDraw) {
  Plot plot;
  plot.series = {{"a", {1}, {NAN}, 0}};
  EXPECT_EQ(Draw(plot).note, "No values to draw.");
  EXPECT_EQ(Draw(plot).svg, "");
  EXPECT_EQ(Draw(Intervals{"t", "u", {{"a", NAN, NAN, NAN}}}).note, "No values to draw.");
}

TEST(Charts, HaveRoundTicks) {
  EXPECT_THAT(Ticks(0, 1, 5, false), ElementsAre(0, 0.2, 0.4, 0.6000000000000001, 0.8, 1));
  EXPECT_THAT(Ticks(1, 3, 6, true), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ticks(-30, 30, 3, false), ElementsAre(-20, 0, 20));
}

}  // namespace
}  // namespace pipeline
