// Places in a config: how they are spelt, what lies below what, and where each was written.
#include "pipeline/config/path.h"

#include <gtest/gtest.h>

namespace pipeline {
namespace {

Path At(const std::string& text) { return *Path::Parse(text); }

TEST(PathTest, IsSpeltAsInSet) {
  for (const std::string text : {"train", "train.epochs", "loss.term[0].gamma", "a[12].b.c[3]"}) {
    EXPECT_EQ(At(text).ToString(), text);
  }
  EXPECT_EQ((Path() / "loss" / "term")[1].ToString(), "loss.term[1]");
  EXPECT_TRUE((Path() / "loss" / "term")[1] / "beta" == At("loss.term[1].beta"));
  EXPECT_EQ((Path() / "load").Own("input")[0].ToString(), "load:input[0]");
  EXPECT_FALSE((Path() / "load").Own("phase") == At("load.phase"));
  for (const std::string text : {"", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a[1]x",
                                 "a[1", "[0]", "a[99999999999]"}) {
    EXPECT_FALSE(Path::Parse(text).has_value()) << text;
  }
}

TEST(PathTest, KnowsWhatItLiesBelow) {
  EXPECT_EQ(At("loss.term[0].gamma").parent().ToString(), "loss.term[0]");
  EXPECT_EQ(At("loss.term[0]").parent().ToString(), "loss.term");
  EXPECT_TRUE(At("loss").parent().whole());
  EXPECT_EQ(At("a.b.c").From(At("a"))->ToString(), "b.c");
  EXPECT_EQ(At("a.b.c").From(Path())->ToString(), "a.b.c");
  EXPECT_TRUE(At("a.b[1]").From(At("a.b")).has_value());
  EXPECT_TRUE(At("a.b[1].c").From(At("a.b")).has_value());
  for (const auto& [path, other] : {std::pair("a.b", "a.b"),
                                    {"a.bc", "a.b"},
                                    {"a", "a.b"},
                                    {"a.b[1]", "a.b[0]"},
                                    {"x.b.c", "a.b"}}) {
    EXPECT_FALSE(At(path).From(At(other)).has_value()) << path << " below " << other;
  }
}

Locations Some() {
  Locations where;
  int line = 0;
  for (const char* path : {"loss", "loss.term", "loss.term[0]", "loss.term[0].beta",
                           "loss.term[1].beta", "loss.terms", "other.term.beta"}) {
    where.Set(At(path), {"f", ++line, 1});
  }
  where.Set((Path() / "loss").Own("term"), {"f", 50, 1});
  where.Set((Path() / "loss").Own("input")[0], {"f", 60, 1});
  return where;
}

TEST(LocationsTest, AreThoseOfTheNearestAncestor) {
  const Locations where = Some();
  EXPECT_EQ(where.Of("loss.term[0].beta").line, 4);
  EXPECT_EQ(where.Of("loss.term[0].gamma.x").line, 3);
  EXPECT_EQ(where.Of("loss.term[7]").line, 2);
  EXPECT_EQ(where.Of("loss.unknown").line, 1);
  EXPECT_EQ(where.Of((Path() / "loss").Own("phase")).line, 1);
  EXPECT_EQ(where.Of((Path() / "loss").Own("term")).line, 50);
  EXPECT_EQ(where.Of("nobody").ToString(), "");
  EXPECT_EQ(where.Of("not..a path").ToString(), "");
}

TEST(LocationsTest, ForgetWhatLiesBelowAndNothingElse) {
  Locations where = Some();
  where.EraseBelow(At("loss.term"));
  EXPECT_EQ(where.Of("loss.term[0].beta").line, 2);
  EXPECT_EQ(where.Of("loss.terms").line, 6);
  EXPECT_EQ(where.Of((Path() / "loss").Own("term")).line, 50);
  where.EraseBelow(At("loss"));
  EXPECT_EQ(where.Of("loss.terms").line, 1);
  EXPECT_EQ(where.Of((Path() / "loss").Own("input")[0]).line, 60) << "its own field";
  EXPECT_EQ(where.Of("other.term.beta").line, 7);
}

TEST(LocationsTest, TakeOverAPart) {
  Locations where;
  where.Take(Some(), At("loss"));
  EXPECT_EQ(where.Of("term[0].beta").line, 4);
  EXPECT_EQ(where.Of("other.term.beta").ToString(), "");
}

}  // namespace
}  // namespace pipeline
