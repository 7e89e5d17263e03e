// What must hold for every plugin, whoever wrote it: it is linked, documented and within its
// ranges.
#include "pipeline/registry.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/config/config.h"
#include "pipeline/config/describe.h"
#include "pipeline/config/embedded.h"
#include "pipeline/config/text.h"
#include "pipeline/options.pb.h"
#include "tests/testing.h"

namespace {

using pipeline::PluginIndex;
using pipeline::PluginName;

TEST(Registry, HoldsExactlyWhatBuildFilesList) {
  std::set<std::string> built, registered;
  for (const auto& folder : pipeline::EmbeddedFolder::All()) {
    for (const std::string& name : folder.names()) built.insert(folder.folder() + "/" + name);
  }
  for (const PluginName& name : PluginIndex::Get().All()) {
    registered.insert(name.folder + "/" + name.file);
  }
  // A name in `built` alone was dropped by the linker or lacks its REGISTER_PLUGIN line.
  EXPECT_EQ(built, registered);
  EXPECT_GE(registered.size(), 14);
}

TEST(Registry, FileNamesFollowFromClassNames) {
  EXPECT_EQ(pipeline::FileNameOf("SmoothL1"), "smooth_l1");
  EXPECT_EQ(pipeline::FileNameOf("Vgg16"), "vgg16");
  EXPECT_EQ(pipeline::FileNameOf("CategoricalCrossEntropy"), "categorical_cross_entropy");
}

class EveryPlugin : public testing::TestWithParam<PluginName> {
 protected:
  const google::protobuf::Descriptor& type() const {
    return *PluginIndex::Get().Find(GetParam().Url());
  }
};

TEST_P(EveryPlugin, IsDocumented) {
  EXPECT_NE(pipeline::CommentOf(type().full_name()), "");
  for (int i = 0; i < type().field_count(); ++i) {
    const auto& field = *type().field(i);
    EXPECT_NE(pipeline::CommentOf(field.full_name()), "") << field.full_name();
  }
}

TEST_P(EveryPlugin, HasDefaultsWithinItsRanges) {
  // Every number set to its default, as text, must pass the checks that a user's value meets.
  pipeline::Document document;
  std::unique_ptr<google::protobuf::Message> options(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type())->New());
  const auto* reflection = options->GetReflection();
  for (int i = 0; i < type().field_count(); ++i) {
    const auto* field = type().field(i);
    if (field->is_repeated()) continue;
    using Field = google::protobuf::FieldDescriptor;
    if (field->cpp_type() == Field::CPPTYPE_DOUBLE) {
      reflection->SetDouble(options.get(), field, field->default_value_double());
    } else if (field->cpp_type() == Field::CPPTYPE_INT32) {
      reflection->SetInt32(options.get(), field, field->default_value_int32());
    }
  }
  auto* node = document.config.add_node();
  node->set_name("n");
  *node->mutable_plugin() = pipeline::PackOptions(*options);
  pipeline::Diagnostics errors;
  Validate(document, &errors);
  const std::string text(errors.ToStatus().message());
  EXPECT_EQ(text.find("it must be"), std::string::npos) << text;
}

TEST_P(EveryPlugin, IsFoundByDescribe) {
  const auto text = pipeline::DescribePlugin(GetParam().Url());
  ASSERT_TRUE(text.ok()) << text.status();
  for (int i = 0; i < type().field_count(); ++i) {
    EXPECT_NE(text->find("  " + type().field(i)->name() + "  ("), std::string::npos);
  }
  EXPECT_EQ(pipeline::DescribePlugin(GetParam().folder + "/" + GetParam().file).value(), *text);
}

TEST_P(EveryPlugin, SurvivesPrintingAndParsing) {
  google::protobuf::Any any;
  any.set_type_url(GetParam().Url());
  pipeline::Node node, again;
  *node.mutable_plugin() = any;
  const absl::Status parsed = pipeline::ParseFields(pipeline::PrintText(node), &again);
  ASSERT_TRUE(parsed.ok()) << parsed;
  EXPECT_EQ(again.plugin().type_url(), GetParam().Url());
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryPlugin, testing::ValuesIn(PluginIndex::Get().All()),
                         [](const auto& info) {
                           return info.param.folder + "_" + info.param.name;
                         });

TEST_P(EveryPlugin, IsListedInAWholeSentence) {
  const std::string comment = pipeline::CommentOf(type().full_name());
  const std::string shown = pipeline::FirstSentence(comment);
  ASSERT_TRUE(absl::StartsWith(comment, shown));
  // A mark, then a blank or the end.
  const std::string after = comment.substr(shown.size());
  EXPECT_TRUE(after == "." || absl::StartsWith(after, ". ") || absl::StartsWith(after, ": "))
      << shown;
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '('),
            std::count(shown.begin(), shown.end(), ')'))
      << shown;
  // All of it is in the list.
  std::string listed, list = pipeline::ListPlugins();
  const std::string start = absl::StrCat("\n  ", GetParam().name, " ");
  size_t at = list.find(start, list.find(GetParam().folder + "/\n"));
  ASSERT_NE(at, std::string::npos);
  at += start.size();
  do {
    const size_t end = list.find('\n', at);
    absl::StrAppend(&listed, listed.empty() ? "" : " ",
                    absl::StripAsciiWhitespace(list.substr(at, end - at)));
    at = end + 1;
  } while (absl::StartsWith(list.substr(at), "   "));
  EXPECT_EQ(listed, shown);
}

TEST(List, FitsATerminal) {
  for (const absl::string_view line : absl::StrSplit(pipeline::ListPlugins(), '\n')) {
    EXPECT_LE(line.size(), 78) << line;
  }
}

TEST(List, ShowsFormulasWhole) {
  EXPECT_EQ(pipeline::FirstSentence("x for x >= 0, alpha (e^x - 1) below (Clevert et al. 2015), as "
                                    "LibTorch has it. More."),
            "x for x >= 0, alpha (e^x - 1) below (Clevert et al. 2015), as LibTorch has it");
  EXPECT_EQ(pipeline::FirstSentence("Phi(z, s, a) = sum z^k / (a + k)^s in two forms. More."),
            "Phi(z, s, a) = sum z^k / (a + k)^s in two forms");
  EXPECT_EQ(pipeline::FirstSentence("Of n = 0..terms, by Milletari et al. and J. Tang: more."),
            "Of n = 0..terms, by Milletari et al. and J. Tang");
  EXPECT_EQ(pipeline::FirstSentence("RGB to gray, 0.299 R (as in x. y: z) and more"),
            "RGB to gray, 0.299 R (as in x. y: z) and more");
  EXPECT_EQ(pipeline::FirstSentence(""), "");
}

TEST(Describe, AnswersToLooseNames) {
  const auto text = pipeline::DescribePlugin("smoothl1");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, pipeline::DescribePlugin("Smooth_L1").value());
  EXPECT_NE(text->find("  beta  (double, default 1, between 0 and 10)"), std::string::npos)
      << *text;
  EXPECT_NE(text->find("Where the square turns into the absolute value"), std::string::npos);
  EXPECT_NE(pipeline::DescribePlugin("train")->find("learning_rate  (double, default 0.0001"),
            std::string::npos);
}

TEST(Describe, SuggestsNearNames) {
  EXPECT_EQ(pipeline::DescribePlugin("vgg61").status().message(),
            "no plugin \"vgg61\"; did you mean \"Vgg16\"? (`list` shows all)");
}

TEST(Describe, NamesTheConfigsThatUseAPlugin) {
  const testing_support::Workspace workspace;
  workspace.Write("configs/mine.pbtxt", testing_support::SmallConfig());
  EXPECT_NE(pipeline::DescribePlugin("SmoothL1")->find("used by mine.pbtxt"), std::string::npos);
  EXPECT_NE(pipeline::DescribePlugin("Softmax")->find("used by no config"), std::string::npos);
}

}  // namespace
