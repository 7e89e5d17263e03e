// Every number of every plugin and of `train`, at the ends of what it may be and beyond: a step of
// training comes of it, or one line says why not. Nothing crashes, hangs or takes all memory.
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/exceptions.h"
#include "pipeline/memory.h"
#include "pipeline/options.pb.h"
#include "pipeline/registry.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "tests/limits.h"
#include "tests/testing.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using pipeline::PluginIndex;
using pipeline::PluginName;
using testing_support::LittleMemory;
using testing_support::Workspace;

constexpr size_t kMemory = size_t{3} << 29;
constexpr int kClasses = 4;

// Two images a class, and a model that takes no time.
constexpr char kConfig[] = R"(node {
  name: "load"
  plugin { [plugins/Loader] {
    batch_size: 8 image_size: 32 workers: 1 validation_fraction: 0.5
    dataset { [datasets/Synthetic] { images_per_class: 4 test_images_per_class: 1 } }
  } }
}
node { name: "gray" input: "load.images" plugin { [plugins/Grayscale] {} } }
node {
  name: "augment" input: "images: gray" input: "labels: load.labels" phase: TRAIN
  plugin { [plugins/Augment] {} }
}
node { name: "normalize" input: "augment.images" plugin { [plugins/Normalize] {} } }
node {
  name: "classify" input: "normalize"
  plugin { [plugins/Model] { model { [models/Cnn] { channels: 4 hidden: 4 } }
    activation { [activations/Relu] {} } } }
}
node {
  name: "loss" input: "logits: classify" input: "labels: augment.labels"
  plugin { [plugins/FusedLoss] { term { [losses/CategoricalCrossEntropy] {} } } }
}
node {
  name: "metrics" input: "logits: classify" input: "labels: augment.labels"
  plugin { [plugins/Metrics] {} }
}
train { epochs: 2 learning_rate: 1e-3 threads: 1 precision: FP32 device: "CPU" }
)";

using Sets = std::vector<std::string>;

// The config; the other way, images go to the model in the channels that they have.
std::string Config(bool gray) {
  if (gray) return kConfig;
  return absl::StrReplaceAll(kConfig,
                             {{"input: \"images: gray\"", "input: \"images: load.images\""},
                              {"node { name: \"gray\" input: \"load.images\" plugin { "
                               "[plugins/Grayscale] {} } }\n",
                               ""}});
}

// What comes of the config with these --set: "" once it has trained, else all that is said.
std::string Try(const Sets& sets, const std::string& config = "small.pbtxt") {
  const testing_support::Loaded loaded = testing_support::Load(config, sets);
  if (!loaded.errors.empty()) return loaded.errors;
  pipeline::BuildContext context;
  context.max_batch = 8;
  context.writes = false;
  const absl::Status done = pipeline::Caught([&] {
    const absl::Status built = loaded.graph->Build(&context);
    if (!built.ok()) return built;
    pipeline::Loop loop(loaded.config.document, context, loaded.graph.get(), {});
    return loop.TryOnce();
  });
  return std::string(done.message());
}

// Options of one message, and where a config has it.
struct Place {
  std::string name;
  const Descriptor* type;
  std::string path;
  Sets sets;  // that put it there
  std::string config = "small.pbtxt";
};

void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }

const char* NodeOf(const std::string& stage) {
  if (stage == "Loader") return "load";
  if (stage == "Grayscale") return "gray";
  if (stage == "Model") return "classify";
  if (stage == "FusedLoss") return "loss";
  return stage == "Augment" ? "augment" : stage == "Normalize" ? "normalize" : "metrics";
}

// Values that keep a plugin small or whole, where its defaults do not.
std::string Own(const PluginName& plugin, const Descriptor& type) {
  if (plugin.name == "Vgg16") return "head: GAP width: 0.07";
  if (plugin.name == "Unet") return "depth: 2 width: 4";
  if (plugin.name == "Cnn") return "channels: 4 hidden: 4";
  if (plugin.name == "Sum") return "term { [losses/Mse] {} }";
  if (plugin.name == "Synthetic") return "images_per_class: 4 test_images_per_class: 1";
  return type.FindFieldByName("embedded_sample") == nullptr ? "" : "embedded_sample: true";
}

Place PlaceOf(const PluginName& plugin) {
  const Descriptor* type = PluginIndex::Get().Find(plugin.Url());
  const std::string text = absl::StrCat("[", plugin.Url(), "] { ", Own(plugin, *type), " }");
  const std::string name = absl::StrCat(plugin.folder, "_", plugin.name);
  if (plugin.folder == "losses") {
    return {name, type, "loss.term[0]", {absl::StrCat("loss.term=[{ ", text, " }]")}};
  }
  const std::string path = plugin.folder == "models"        ? "classify.model"
                           : plugin.folder == "activations" ? "classify.activation"
                           : plugin.folder == "datasets"    ? "load.dataset"
                                                            : NodeOf(plugin.name);
  if (plugin.folder == "plugins") return {name, type, path, {}};
  const std::string config = plugin.name == "Nifti" ? "channels.pbtxt" : "small.pbtxt";
  return {name, type, path, {absl::StrCat(path, "=", text)}, config};
}

bool IsNumber(const FieldDescriptor& field) {
  const auto type = field.cpp_type();
  return type == FieldDescriptor::CPPTYPE_DOUBLE || type == FieldDescriptor::CPPTYPE_INT32 ||
         type == FieldDescriptor::CPPTYPE_INT64;
}

bool IsReal(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
}

std::string Text(const FieldDescriptor& field, double value) {
  return IsReal(field) ? absl::StrFormat("%.17g", value) : absl::StrFormat("%.0f", value);
}

// What the issue asks for: 0, -1, the largest of the type, and the bounds with their neighbors.
std::vector<std::string> ValuesOf(const FieldDescriptor& field) {
  const pipeline::Range& range = field.options().GetExtension(pipeline::range);
  std::vector<std::string> values = {"0", "-1"};
  const auto add = [&](double value) { values.push_back(Text(field, value)); };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bound : {range.min(), range.max(), range.above(), range.below()}) add(bound);
  if (IsReal(field)) {
    values.insert(values.end(), {"1e308", "-1e308", "1e-308"});
    if (range.has_above()) add(std::nextafter(range.above(), infinity));
    if (range.has_below()) add(std::nextafter(range.below(), -infinity));
  } else {
    const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_INT64;
    values.push_back(wide ? "9223372036854775807" : "2147483647");
    values.push_back(wide ? "-9223372036854775808" : "-2147483648");
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// An option may only be looked at in one form of a plugin, or with a switch on: sets that choose
// each form, and one that turns every switch on.
std::vector<Sets> FormsOf(const Place& place) {
  std::vector<Sets> forms = {{}};
  Sets switches;
  for (int i = 0; i < place.type->field_count(); ++i) {
    const FieldDescriptor& field = *place.type->field(i);
    const std::string option = absl::StrCat(place.path, ".", field.name(), "=");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL && field.name() != "embedded_sample") {
      switches.push_back(option + "true");
    }
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM || place.path == "train") continue;
    for (int k = 0; k < field.enum_type()->value_count(); ++k) {
      const auto* value = field.enum_type()->value(k);
      if (value->number() != field.default_value_enum()->number()) {
        forms.push_back({option + value->name()});
      }
    }
  }
  if (!switches.empty()) forms.push_back(switches);
  return forms;
}

std::vector<Place> Places() {
  std::vector<Place> places = {{"train", pipeline::Train::descriptor(), "train", {}}};
  for (const PluginName& plugin : PluginIndex::Get().All()) places.push_back(PlaceOf(plugin));
  return places;
}

class EveryNumber : public testing::TestWithParam<Place> {
 protected:
  EveryNumber() : memory_(kMemory) {
    workspace_.Write("small.pbtxt", Config(/*gray=*/true));
    workspace_.Write("channels.pbtxt", Config(/*gray=*/false));
  }

  std::string TryForm(const Sets& form, const std::string& set) const {
    Sets sets = GetParam().sets;
    sets.insert(sets.end(), form.begin(), form.end());
    sets.push_back(set);
    return Try(sets, GetParam().config);
  }

  // Whether the value is a range's matter: then one form is as good as another.
  bool IsRefused(const FieldDescriptor& field, const std::string& option,
                 const std::string& value) const {
    const std::string said = TryForm({}, absl::StrCat(option, "=", value));
    const bool refused = said.find("; it must be ") != std::string::npos ||
                         said.find("out of range") != std::string::npos ||
                         said.find("Expected ") != std::string::npos;
    if (!refused) return false;
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    EXPECT_NE(said.find(field.name()), std::string::npos) << said;
    return true;
  }

  const Workspace workspace_;
  const LittleMemory memory_;
};

TEST_P(EveryNumber, TrainsAStepOrSaysWhyNot) {
  int trained = 0, told = 0, refused = 0;
  for (int i = 0; i < GetParam().type->field_count(); ++i) {
    const FieldDescriptor& field = *GetParam().type->field(i);
    if (!IsNumber(field)) continue;
    const std::string option = absl::StrCat(GetParam().path, ".", field.name());
    for (const char* never : {"nan", "inf", "-inf"}) {
      EXPECT_TRUE(IsRefused(field, option, never)) << option << "=" << never;
    }
    for (const std::string& value : ValuesOf(field)) {
      if (IsRefused(field, option, value)) {
        ++refused;
        continue;
      }
      for (const Sets& form : FormsOf(GetParam())) {
        for (const int count :
             field.is_repeated() ? std::vector<int>{1, kClasses} : std::vector{1}) {
          const std::vector<std::string> values(count, value);
          const std::string set = field.is_repeated()
                                      ? absl::StrCat(option, "=[", absl::StrJoin(values, ", "), "]")
                                      : absl::StrCat(option, "=", value);
          const std::string said = TryForm(form, set);
          EXPECT_EQ(said.find('\n'), std::string::npos)
              << absl::StrJoin(form, " ") << " " << set << ":\n"
              << said;
          ++(said.empty() ? trained : told);
          if (!said.empty())
            std::printf("%s %s\n  %s\n", absl::StrJoin(form, " ").c_str(), set.c_str(),
                        said.c_str());
        }
      }
    }
  }
  std::printf("%d trained, %d told, %d refused by range\n", trained, told, refused);
}

TEST_P(EveryNumber, TrainsByDefault) {
  if (GetParam().name == "datasets_Folder") return;  // it has no sample
  EXPECT_EQ(Try(GetParam().sets, GetParam().config), "");
}

INSTANTIATE_TEST_SUITE_P(Options, EveryNumber, testing::ValuesIn(Places()),
                         [](const auto& info) { return info.param.name; });

class TooLarge : public testing::Test {
 protected:
  TooLarge() : memory_(kMemory) { workspace_.Write("small.pbtxt", kConfig); }
  const Workspace workspace_;
  const LittleMemory memory_;
};

TEST_F(TooLarge, ModelsAreRefusedBeforeTheyTakeMemory) {
  const std::string said = Try({"classify.model=[models/Unet] { depth: 5 width: 256 }"});
  EXPECT_NE(said.find("[models/Unet] has 1207 million parameters, which take 19.3 GB of memory"),
            std::string::npos)
      << said;
}

TEST_F(TooLarge, BatchesAreRefusedBeforeTheyTakeMemory) {
  const std::string said = Try({"load.image_size=4096"});
  EXPECT_NE(said.find("batches of 8 images of 4096x4096 take 2.8 GB of memory, and there are 1."),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("lower batch_size or image_size"), std::string::npos) << said;
}

TEST_F(TooLarge, ShareOfValidationIsToldBeforeTheSamplingOfNothing) {
  const std::string said = Try({"load.sampling=BALANCED", "load.validation_fraction=0.9999999"});
  EXPECT_NE(said.find("no training images in drawn images (brain)"), std::string::npos) << said;
}

TEST(Threads, AreNoMoreThanThereAreCores) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_EQ(pipeline::SetThreads(1024), cores);
  EXPECT_EQ(pipeline::SetThreads(1), 1);
}

}  // namespace
