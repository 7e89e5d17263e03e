// Folders as they are on people's disks: links, odd formats and names, thumbnails of other systems.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "datasets/opening.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class FolderTest : public OpensDatasets {
 protected:
  void Fill(const std::string& folder, int count) {
    for (int i = 0; i < count; ++i) Write(folder + "/" + std::to_string(i) + ".png", Picture());
  }
};

TEST_F(FolderTest, FollowsLinksToFolders) {
  const std::string elsewhere = testing::TempDir() + "elsewhere";
  fs::remove_all(elsewhere);
  fs::create_directories(elsewhere + "/p0/scan");
  Fill("cats", 1);
  Fill("dogs/p1", 2);
  fs::rename(At("dogs/p1/0.png"), elsewhere + "/p0/scan/x.png");
  fs::create_directory_symlink(elsewhere + "/p0", At("cats/p0"));
  EXPECT_THAT(Names(*Opened("Folder", "group_subfolders: true")),
              UnorderedElementsAre("cats/0.png", "cats/p0/scan/x.png", "dogs/p1/1.png"));
  // All of a class behind links.
  fs::remove(At("cats/0.png"));
  const auto data = Opened("Folder", "group_subfolders: true");
  EXPECT_THAT(data->info().classes, ElementsAre("cats", "dogs"));
  EXPECT_THAT(data->info().notes, IsEmpty());
  fs::remove_all(elsewhere);
}

TEST_F(FolderTest, FollowsNoLinkTwiceOrUp) {
  Fill("cats", 1);
  Fill("cats/real", 2);
  Fill("dogs", 2);
  fs::create_directory_symlink(At("cats/real"), At("cats/a_link"));  // sorts before it
  fs::create_directory_symlink(At("cats"), At("cats/real/up"));
  fs::create_directory_symlink(folder_, At("cats/top"));
  fs::create_directory_symlink("nowhere", At("cats/gone"));
  const auto data = Opened("Folder");
  EXPECT_THAT(Names(*data), UnorderedElementsAre("cats/0.png", "cats/real/0.png", "cats/real/1.png",
                                                 "dogs/0.png", "dogs/1.png"));
  EXPECT_THAT(data->info().notes,
              ElementsAre("3 links to a folder that is read already or lies above, left out: " +
                              At("cats/a_link") + ", " + At("cats/real/up") + ", " + At("cats/top"),
                          "1 link that leads nowhere, left out: " + At("cats/gone")));
}

TEST_F(FolderTest, ReadsManyFormatsAndCountsTheRest) {
  cv::Mat image(32, 48, CV_8UC3, cv::Scalar(10, 200, 90));
  int number = 0;
  for (const char* name : {"a.jfif", "b.jpe", "c.jp2", "d.ppm", "e.webp", "f.PPM"}) {
    const std::string extension = fs::path(name).extension();
    image.row(number++).setTo(cv::Scalar(0, 0, 255));
    const bool jpeg = extension == ".jfif" || extension == ".jpe";
    Write(std::string("cats/") + name, Encoded(image, jpeg                  ? ".jpg"
                                                      : extension == ".PPM" ? ".ppm"
                                                                            : extension));
  }
  Fill("dogs", 2);
  for (const char* name : {"cats/1.heic", "cats/2.HEIC", "dogs/3.heic", "dogs/labels.txt",
                           "dogs/README", "dogs/Thumbs.db", "dogs/.DS_Store"}) {
    Write(name, "x");
  }
  Write("README.txt", "beside the class folders: nobody's concern");
  const auto data = Opened("Folder");
  EXPECT_EQ(data->info().class_counts[0], (std::vector<int64_t>{6, 2}));
  EXPECT_THAT(data->info().notes,
              ElementsAre("5 files of no format that is read, left out: 3 .heic, 1 without an "
                          "extension, 1 .txt"));
  for (int64_t i = 0; i < 6; ++i) EXPECT_TRUE(data->Read(TRAIN, i, 8).ok()) << i;
}

TEST_F(FolderTest, NamesFormatsThatAreAllThereIs) {
  Write("cats/1.heic", "x");
  Write("dogs/2.heic", "x");
  EXPECT_THAT(Why("Folder"), HasSubstr("; files of no format that is read: 2 .heic"));
}

TEST_F(FolderTest, LeavesOutWhatSystemsPutThere) {
  Fill("cats", 2);
  Fill("dogs", 2);
  for (const char* folder : {"cats/@eaDir/0.png", "cats/.thumbnails", "dogs/__MACOSX", "dogs/.x"}) {
    Write(std::string(folder) + "/SYNOPHOTO_THUMB_M.jpg", Picture());
  }
  Write("@eaDir/x/y.png", Picture());
  Write("__MACOSX/cats/._0.png", Picture());
  const auto data = Opened("Folder");
  EXPECT_THAT(Names(*data),
              UnorderedElementsAre("cats/0.png", "cats/1.png", "dogs/0.png", "dogs/1.png"));
  EXPECT_THAT(data->info().notes, IsEmpty());
}

TEST_F(FolderTest, SaysThatAClassWasTakenForASplit) {
  Fill("valid", 3);
  Fill("invalid", 3);
  const std::string taken = "the folder " + At("valid") +
                            " is taken for a split, not for a class: left out with its images (3); "
                            "if it is a class, say class_names: [\"valid\"]";
  EXPECT_EQ(
      Why("Folder"),
      "root: " + folder_ + " has images of invalid only; it takes two classes to learn; " + taken);
  const auto both = Opened("Folder", "class_names: ['valid']");
  EXPECT_THAT(both->info().classes, ElementsAre("invalid", "valid"));
  EXPECT_EQ(both->info().images[0], 6);
  // Where there are classes enough, it is a note.
  Fill("unsure", 3);
  const auto without = Opened("Folder");
  EXPECT_THAT(without->info().classes, ElementsAre("invalid", "unsure"));
  EXPECT_THAT(without->info().notes, Contains(taken));
  // Below a split's folder likewise.
  for (const char* name : {"valid", "invalid", "unsure"}) {
    fs::create_directories(At("train"));
    fs::rename(At(name), At(std::string("train/") + name));
  }
  EXPECT_THAT(Opened("Folder")->info().notes, Contains(HasSubstr("class_names: [\"valid\"]")));
  EXPECT_THAT(Opened("Folder", "class_names: ['valid']")->info().classes,
              ElementsAre("invalid", "unsure", "valid"));
}

TEST_F(FolderTest, ShowsNamesThatAreNoUtf8AndFindsTheirFiles) {
  Fill("caf\xE9", 6);
  Write("caf\xE9/\xFF.png", Picture());
  Fill("th\xC3\xA9", 6);
  context_.test_fraction = 0.3;
  context_.split_file = At("split.csv");
  const auto first = Opened("Folder");
  EXPECT_THAT(first->info().classes, ElementsAre(R"(caf\xE9)", "th\xC3\xA9"));
  EXPECT_THAT(first->info().split_text, HasSubstr(R"(,caf\xE9/\xFF.png,)"));
  for (int64_t i = 0; i < first->info().images[0]; ++i) {
    EXPECT_TRUE(first->Read(TRAIN, i, 8).ok()) << first->Name(TRAIN, i);
  }
  const auto again = Opened("Folder");
  EXPECT_EQ(again->info().split, "split file " + At("split.csv"));
  EXPECT_EQ(again->info().images, first->info().images);
  for (const auto phase : {TRAIN, TEST}) EXPECT_EQ(Names(*again, phase), Names(*first, phase));
  // What is gone is told by what the file says of it; what another task uses is not gone.
  fs::rename(At("caf\xE9/\xFF.png"), At("caf\xE9/\xFF.txt"));
  EXPECT_THAT(Why("Folder"),
              HasSubstr(R"(lists what is not in )" + folder_ + R"(: caf\xE9/\xFF.png)"));
  fs::rename(At("caf\xE9/\xFF.txt"), At("caf\xE9/\xFF.png"));
  fs::rename(At("caf\xE9"), At("train"));
  Fill("tea", 1);
  fs::rename(At("train"), At("caf\xE9"));
  EXPECT_TRUE(Open("Folder").ok());
}

TEST_F(FolderTest, NotesShowBytesThatAreNoUtf8) {
  Fill("a", 2);
  Fill("b", 2);
  Write("\xE9.png", Picture());
  EXPECT_THAT(Opened("Folder")->info().notes,
              ElementsAre("1 image outside class folders, left out: " + At(R"(\xE9.png)")));
}

TEST_F(FolderTest, ReadsSplitFilesThatBeginWithAByteOrderMark) {
  Fill("a", 5);
  Fill("b", 5);
  context_.test_fraction = 0.4;
  context_.split_file = At("split.csv");
  const auto first = Opened("Folder");
  Write("split.csv", "\xEF\xBB\xBF" + first->info().split_text);
  context_.seed = 9;
  const auto second = Opened("Folder");
  EXPECT_EQ(second->info().split, "split file " + At("split.csv"));
  EXPECT_EQ(Names(*second, TEST), Names(*first, TEST));
}

TEST_F(FolderTest, NotesImagesOfTwelveBitsInSixteen) {
  Fill("a", 2);
  for (int i = 0; i < 3; ++i) {
    cv::Mat image(9, 9, CV_16UC1);
    random_.fill(image, cv::RNG::UNIFORM, 0, 3000);
    image.at<uint16_t>(4, 4) = static_cast<uint16_t>(3100 + i);
    Write("b/" + std::to_string(i) + ".png", Encoded(image));
  }
  EXPECT_THAT(Opened("Folder")->info().notes,
              ElementsAre("3 images of 16 bits a sample with values up to 3102 (12 bits): read as "
                          "0 to 12 of 255, nearly black; scale the values to 16 bits"));
  // One that uses the whole range shows that the others are but dark.
  Write("b/3.tif", Encoded(cv::Mat(9, 9, CV_16UC1, cv::Scalar(50000)), ".tif"));
  EXPECT_THAT(Opened("Folder")->info().notes, IsEmpty());
}

TEST_F(FolderTest, FitsImagesAsAskedAndCachesThemApart) {
  cv::Mat wide(4, 8, CV_8UC3, cv::Scalar::all(60));
  wide.colRange(2, 6).setTo(cv::Scalar::all(200));
  Write("a/wide.png", Encoded(wide));
  Write("b/other.png", Picture());
  std::set<std::string> identities;
  const auto rows = [&](Fit fit) {
    context_.fit = fit;
    const auto data = Opened("Folder");
    identities.insert(data->Identity(TRAIN, 0));
    const auto sample = data->Read(TRAIN, 0, 8);
    EXPECT_TRUE(sample.ok()) << sample.status();
    EXPECT_EQ(sample->image.size(), cv::Size(8, 8));
    EXPECT_TRUE(sample->image.isContinuous());
    std::vector<int> first_column;
    for (int y = 0; y < 8; ++y) first_column.push_back(sample->image.at<cv::Vec3b>(y, 0)[0]);
    return first_column;
  };
  EXPECT_THAT(rows(Fit::kStretch), ElementsAre(60, 60, 60, 60, 60, 60, 60, 60));
  EXPECT_THAT(rows(Fit::kLetterbox), ElementsAre(0, 0, 60, 60, 60, 60, 0, 0));
  EXPECT_THAT(rows(Fit::kCrop), ElementsAre(200, 200, 200, 200, 200, 200, 200, 200));
  EXPECT_EQ(identities.size(), 3);
}

TEST_F(FolderTest, NamesSparseFiles) {
  Fill("a", 2);
  Fill("b", 2);
  Write("b/huge.jpg", "");
  ASSERT_EQ(truncate(At("b/huge.jpg").c_str(), off_t{1} << 31), 0);
  const auto data = Opened("Folder");
  EXPECT_EQ(data->info().images[0], 4);
  EXPECT_THAT(data->info().skipped[0],
              ElementsAre(At("b/huge.jpg") + ": not an image of a known format"));
}

}  // namespace
}  // namespace datasets
