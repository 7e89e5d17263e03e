// What the data's page finds: shortcuts that are there, none that are not; drift; copies.
#include "pipeline/report/data_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace pipeline {
namespace {

using testing::HasSubstr;
using testing::Not;

// 60 images of two classes in TRAIN and 30 in TEST, all alike.
std::vector<ImageFacts> Alike() {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> value(50, 60);
  std::vector<ImageFacts> images;
  for (int i = 0; i < 90; ++i) {
    ImageFacts facts;
    facts.phase = i < 60 ? TRAIN : TEST;
    facts.label = i % 2;
    facts.width = facts.height = 100;
    facts.brightness = value(random);
    facts.contrast = value(random);
    facts.sharpness = value(random);
    facts.red = facts.green = facts.blue = std::numeric_limits<double>::quiet_NaN();
    for (int pixel = 0; pixel < 4; ++pixel) facts.thumbnail.push_back(value(random));
    images.push_back(facts);
  }
  return images;
}

DataInfo Info() {
  DataInfo data;
  data.dataset = "pets";
  data.origin = "data/<pets>";
  data.classes = {"cat", "dog"};
  data.images = {60, 0, 30};
  data.class_counts = {{{30, 30}, {0, 0}, {15, 15}}};
  return data;
}

TEST(DataPage, FindsNoShortcutAndNoDriftWhereThereIsNone) {
  const auto shortcuts = FindShortcuts(Alike(), 2);
  ASSERT_EQ(shortcuts.size(), 4);  // width, height and aspect never vary; colors are not known
  for (const Shortcut& shortcut : shortcuts) {
    // Of 60 fair coins 0.68 or more is seen once in 300 times.
    EXPECT_LT(shortcut.balanced_accuracy, 0.68) << shortcut.name;
  }
  for (const Drift& drift : FindDrifts(Alike())) EXPECT_GT(drift.p, 0.01) << drift.name;
  const std::string page = Html(DataPage(Info(), Alike(), {}));
  EXPECT_THAT(page, HasSubstr("No property of TEST"));
  EXPECT_THAT(page, HasSubstr("data/&lt;pets&gt;"));
}

TEST(DataPage, FindsWhatGivesTheLabelAway) {
  std::vector<ImageFacts> images = Alike();
  for (ImageFacts& facts : images) {
    if (facts.label == 1) facts.brightness += 8;  // most of the range that there is
  }
  const auto shortcuts = FindShortcuts(images, 2);
  EXPECT_EQ(shortcuts[0].name, "brightness");
  EXPECT_GT(shortcuts[0].balanced_accuracy, 0.8);
  const std::string page = Html(DataPage(Info(), images, {}));
  EXPECT_THAT(page, HasSubstr("brightness alone tells the classes apart"));
  EXPECT_THAT(page, HasSubstr(HtmlText("A model's accuracy may rest on it")));
}

// What lies in the middle of one class and at both ends of the other is a shortcut too.
TEST(DataPage, FindsShortcutsThatAreNoSlope) {
  std::vector<ImageFacts> images = Alike();
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].label == 1) images[i].contrast = i % 4 == 1 ? 30 : 80;
  }
  const auto shortcuts = FindShortcuts(images, 2);
  EXPECT_EQ(shortcuts[0].name, "contrast");
  EXPECT_GT(shortcuts[0].balanced_accuracy, 0.95);
}

TEST(DataPage, FindsDrift) {
  std::vector<ImageFacts> images = Alike();
  for (ImageFacts& facts : images) {
    if (facts.phase == TEST) facts.sharpness *= 10;
  }
  const auto drifts = FindDrifts(images);
  EXPECT_EQ(drifts[0].name, "sharpness");
  EXPECT_EQ(drifts[0].distance, 1);
  EXPECT_THAT(Html(DataPage(Info(), images, {})),
              HasSubstr(HtmlText("differ from TRAIN's in sharpness")));
}

// The numbers of TRAIN's cats: 101 values from 0 to 100, of which quantiles are whole.
TEST(DataPage, ShowsHowPropertiesLieInEachClassAndSplit) {
  std::vector<ImageFacts> images;
  for (int i = 0; i <= 100; ++i) {
    ImageFacts facts;
    facts.label = 0;
    facts.width = facts.height = 64;
    facts.brightness = i;
    facts.contrast = 7;
    images.push_back(facts);
  }
  images.push_back(images[3]);
  images.back().phase = TEST;
  images.push_back(images[90]);
  images.back().label = 1;
  const std::string page = Html(DataPage(Info(), images, {}));
  EXPECT_THAT(page,
              HasSubstr("cat, TRAIN: median 50, half of the values from 25 to 75, 90 % from 5 "
                        "to 95"));
  EXPECT_THAT(page, HasSubstr("cat, TEST: median 3, half of the values from 3 to 3, 90 % from 3"));
  EXPECT_THAT(page, HasSubstr("dog, TRAIN: median 90"));
  EXPECT_THAT(page, Not(HasSubstr("dog, TEST: median")));
  EXPECT_THAT(page, Not(HasSubstr("median 7,")));  // contrast does not vary
  const DataInfo many = [] {
    DataInfo data = Info();
    for (int c = 2; c < 30; ++c) data.classes.push_back(std::to_string(c));
    return data;
  }();
  EXPECT_THAT(Html(DataPage(many, images, {})), HasSubstr("The first 12 of 30 classes."));
}

TEST(DataPage, TellsCopiesByWhatTheyCost) {
  DataInfo data = Info();
  data.duplicate_groups = {{true, {{"a.png", 0, TRAIN}, {"b.png", 0, TEST}}},
                           {true, {{"c.png", 0, TRAIN}, {"d.png", 1, TRAIN}}},
                           {false, {{"e.png", 0, TRAIN}, {"f.png", 0, TRAIN}}}};
  const std::string page = Html(DataPage(data, Alike(), {}));
  EXPECT_THAT(page, HasSubstr("1 groups of copies lie in TEST and outside it"));
  EXPECT_THAT(page, HasSubstr("1 groups of copies have more than one label"));
  EXPECT_THAT(page, HasSubstr("1 more groups of copies"));
  EXPECT_THAT(page, HasSubstr("identical, across splits: a.png (TRAIN, label 0), b.png (TEST"));
  EXPECT_THAT(Html(DataPage(Info(), Alike(), {})), Not(HasSubstr("groups of copies")));
}

TEST(DataPage, HasNothingToSayOfNoImages) {
  EXPECT_TRUE(FindShortcuts({}, 2).empty());
  EXPECT_TRUE(FindDrifts({}).empty());
  EXPECT_THAT(Html(DataPage(Info(), {}, {})), HasSubstr("pets"));
}

}  // namespace
}  // namespace pipeline
