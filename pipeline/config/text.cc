// Reading and printing of configs by libprotobuf's text format.
#include "pipeline/config/text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::TextFormat;

// Nesting that no honest config reaches; the parser's stack stays small on a hostile one.
constexpr int kMaxDepth = 64;
// Of one file: who makes more did not mean a config.
constexpr int kMaxErrors = 100;

// A path may hold any bytes; libprotobuf would tell of them on stderr, at every step that a config
// takes.
void KeepLibprotobufQuiet() {
  static const bool quiet = (google::protobuf::SetLogHandler(nullptr), true);
  static_cast<void>(quiet);
}

const char* StandIn() { return "google.protobuf.Empty"; }

// Maps "losses/" + "Focal" to losses.FocalOptions, and an unknown plugin to a stand-in whose
// contents are skipped.
class PluginFinder : public TextFormat::Finder {
 public:
  const Descriptor* FindAnyType(const Message&, const std::string& prefix,
                                const std::string& name) const override {
    const Descriptor* options = PluginIndex::Get().Find(prefix + name);
    return options != nullptr ? options : google::protobuf::Empty::descriptor();
  }
};

const PluginFinder& Finder() {
  static const auto* finder = new PluginFinder();
  return *finder;
}

// The strings in double quotes of a message of libprotobuf.
std::vector<std::string> Quoted(const std::string& message) {
  std::vector<std::string> parts = absl::StrSplit(message, '"'), quoted;
  for (size_t i = 1; i < parts.size(); i += 2) quoted.push_back(parts[i]);
  return quoted;
}

std::vector<std::string> ValuesOf(const EnumDescriptor& type) {
  std::vector<std::string> values;
  for (int i = 0; i < type.value_count(); ++i) values.push_back(type.value(i)->name());
  return values;
}

// What the enum fields called `field` of Train and of every plugin may be; empty where there is
// none, or where they differ.
std::vector<std::string> ValuesOfField(const std::string& field) {
  std::vector<const Descriptor*> types = {Train::descriptor(), Node::descriptor()};
  for (const PluginName& name : PluginIndex::Get().All()) {
    types.push_back(PluginIndex::Get().Find(name.Url()));
  }
  std::vector<std::string> values;
  for (const Descriptor* type : types) {
    const FieldDescriptor* found = type->FindFieldByName(field);
    if (found == nullptr || found->enum_type() == nullptr) continue;
    const std::vector<std::string> own = ValuesOf(*found->enum_type());
    if (!values.empty() && values != own) return {};
    values = own;
  }
  return values;
}

// libprotobuf's wording turned into ours; empty where the message says nothing new.
std::string Reworded(const std::string& message) {
  const std::vector<std::string> quoted = Quoted(message);
  if (absl::StrContains(message, "has no field named") && quoted.size() == 2) {
    if (quoted[0] == StandIn()) return "";
    const Descriptor* type = DescriptorPool::generated_pool()->FindMessageTypeByName(quoted[0]);
    if (type == nullptr) return message;
    return absl::StrCat(TypeName(*type), " has no field \"", quoted[1], "\"; ", FieldList(*type),
                        DidYouMean(quoted[1], FieldNames(*type)));
  }
  if (absl::StartsWith(message, "Unknown enumeration value of") && quoted.size() == 2) {
    const std::vector<std::string> values = ValuesOfField(quoted[1]);
    if (values.empty()) return message;
    return absl::StrCat(quoted[1], " cannot be \"", quoted[0],
                        "\"; it may be: ", absl::StrJoin(values, ", "),
                        DidYouMean(quoted[0], values));
  }
  return message;
}

// Turns what the parser says into errors with a place.
class Collector : public google::protobuf::io::ErrorCollector {
 public:
  Collector(const std::string& text, const std::string& file, Diagnostics* errors)
      : lines_(absl::StrSplit(text, '\n')), file_(file), errors_(errors) {}

  void AddError(int line, int column, const std::string& message) override {
    if (errors_seen_ > kMaxErrors) return;
    const std::string text = Reworded(message);
    if (text.empty()) return;
    if (++errors_seen_ > kMaxErrors) {
      return errors_->Add(Location{file_, line + 1, column + 1}, "and more errors");
    }
    if (text != message) Back(message, &line, &column);
    errors_->Add(Location{file_, line + 1, column + 1}, text);
  }
  // With AllowUnknownField, unknown fields arrive here.
  void AddWarning(int line, int column, const std::string& message) override {
    AddError(line, column, message);
  }
  bool seen() const { return errors_seen_ > 0; }

 private:
  // The parser complains of a name when it stands behind it, maybe some lines below: moves to the
  // name itself.
  void Back(const std::string& message, int* line, int* column) const {
    const std::vector<std::string> quoted = Quoted(message);
    const std::string& name =
        absl::StartsWith(message, "Unknown enumeration") ? quoted.front() : quoted.back();
    int end = *column;
    for (int i = std::min(*line, static_cast<int>(lines_.size()) - 1); i >= 0; --i) {
      const std::string before = lines_[i].substr(0, end);
      const size_t found = before.rfind(name);
      if (found != std::string::npos) {
        *line = i;
        *column = static_cast<int>(found);
        return;
      }
      end = std::numeric_limits<int>::max();
    }
  }

  const std::vector<std::string> lines_;
  const std::string& file_;
  Diagnostics* errors_;
  int errors_seen_ = 0;
};

// Notes the place of every field that was parsed.
class Recorder {
 public:
  Recorder(const std::string& text, const std::string& file, Locations* where)
      : lines_(absl::StrSplit(text, '\n')), file_(file), where_(where) {}

  void Top(const Config& config, const TextFormat::ParseInfoTree& tree, const Path& at) {
    for (const FieldDescriptor* field : FieldsOf(config)) {
      Field(config, field, tree, at / field->name());
    }
    for (int i = 0; i < config.node_size(); ++i) {
      const auto* nodes = Config::descriptor()->FindFieldByName("node");
      const Path path = at / config.node(i).name();
      where_->Set(path, Place(tree.GetLocation(nodes, i)));
      const auto* below = tree.GetTreeForNested(nodes, i);
      if (below != nullptr) NodeFields(config.node(i), *below, path);
    }
    if (config.has_sample_overrides()) {
      const auto* below =
          tree.GetTreeForNested(Config::descriptor()->FindFieldByName("sample_overrides"), -1);
      if (below != nullptr) Top(config.sample_overrides(), *below, at / "sample_overrides");
    }
  }

  void Fields(const Message& message, const TextFormat::ParseInfoTree& tree, const Path& path) {
    for (const FieldDescriptor* field : FieldsOf(message)) {
      Field(message, field, tree, path / field->name());
    }
  }

 private:
  Location Place(const TextFormat::ParseLocation& at) const {
    return {file_, at.line + 1, at.column + 1};
  }

  // The name in the brackets of an expanded Any, which comes after its field's name.
  Location PluginPlace(Location field) const {
    size_t column = field.column;
    for (size_t line = field.line; line <= lines_.size() && line > 0; ++line, column = 0) {
      const size_t found = lines_[line - 1].find('[', column);
      if (found != std::string::npos) {
        return {file_, static_cast<int>(line), static_cast<int>(found) + 1};
      }
    }
    return field;
  }

  static std::vector<const FieldDescriptor*> FieldsOf(const Message& message) {
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    return fields;
  }

  void NodeFields(const Node& node, const TextFormat::ParseInfoTree& tree, const Path& path) {
    for (const FieldDescriptor* field : FieldsOf(node)) {
      Field(node, field, tree, path.Own(field->name()));
    }
    const auto* plugin = Node::descriptor()->FindFieldByName("plugin");
    const auto* below = tree.GetTreeForNested(plugin, -1);
    const std::unique_ptr<Message> options = UnpackOptions(node.plugin());
    if (below != nullptr && options != nullptr) Fields(*options, *below, path);
  }

  void Field(const Message& message, const FieldDescriptor* field,
             const TextFormat::ParseInfoTree& tree, const Path& path) {
    if (!field->is_repeated()) return Value(message, field, -1, tree, path);
    const int count = message.GetReflection()->FieldSize(message, field);
    for (int i = 0; i < count; ++i) {
      const auto at = tree.GetLocation(field, i);
      if (i == 0 && at.line >= 0) where_->Set(path, Place(at));
      Value(message, field, i, tree, path[i]);
    }
  }

  // `i` is -1 for a field that is no list.
  void Value(const Message& message, const FieldDescriptor* field, int i,
             const TextFormat::ParseInfoTree& tree, const Path& path) {
    const auto at = tree.GetLocation(field, i);
    if (at.line >= 0) where_->Set(path, Place(at));
    if (field->message_type() == nullptr || field->message_type() == Config::descriptor() ||
        field->message_type() == Node::descriptor()) {
      return;
    }
    const auto* below = tree.GetTreeForNested(field, i);
    if (below == nullptr) return;
    const Message& inner = i >= 0 ? message.GetReflection()->GetRepeatedMessage(message, field, i)
                                  : message.GetReflection()->GetMessage(message, field);
    if (inner.GetDescriptor() != Any::descriptor()) return Fields(inner, *below, path);
    where_->Set(path, PluginPlace(Place(at)));
    const std::unique_ptr<Message> options = UnpackOptions(static_cast<const Any&>(inner));
    // A node's plugin is transparent in paths and recorded by NodeFields.
    if (options != nullptr && message.GetDescriptor() != Node::descriptor()) {
      Fields(*options, *below, path);
    }
  }

  const std::vector<std::string> lines_;
  const std::string& file_;
  Locations* where_;
};

bool Parse(const std::string& text, const std::string& file, Message* message,
           TextFormat::ParseInfoTree* tree, Diagnostics* errors) {
  KeepLibprotobufQuiet();
  Collector collector(text, file, errors);
  TextFormat::Parser parser;
  parser.SetFinder(&Finder());
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(tree);
  return parser.ParseFromString(text, message);
}

}  // namespace

bool ParseConfigText(const std::string& text, const std::string& file, Config* message,
                     Locations* where, Diagnostics* errors) {
  TextFormat::ParseInfoTree tree;
  const bool parsed = Parse(text, file, message, &tree, errors);
  Recorder(text, file, where).Top(*message, tree, Path());
  return parsed;
}

bool ParseMessageText(const std::string& text, const std::string& file, Message* message,
                      Locations* where, Diagnostics* errors) {
  TextFormat::ParseInfoTree tree;
  const bool parsed = Parse(text, file, message, &tree, errors);
  Recorder(text, file, where).Fields(*message, tree, Path());
  return parsed;
}

absl::Status ParseFields(const std::string& text, Message* message) {
  KeepLibprotobufQuiet();
  Diagnostics errors;
  const std::string file;
  Collector collector(text, file, &errors);
  TextFormat::Parser parser;
  parser.SetFinder(&Finder());
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kMaxDepth);
  parser.RecordErrorsTo(&collector);
  if (parser.ParseFromString(text, message) && !collector.seen()) return absl::OkStatus();
  // The places are those of a text that the user never saw whole.
  const std::vector<std::string> lines =
      absl::StrSplit(std::string(errors.ToStatus().message()), '\n');
  const size_t colon = lines[0].find(": ");
  const bool placed = absl::StartsWith(lines[0], ":") && colon != std::string::npos;
  return absl::InvalidArgumentError(placed ? lines[0].substr(colon + 2) : lines[0]);
}

std::string PrintText(const Message& message) {
  TextFormat::Printer printer;
  printer.SetExpandAny(true);
  printer.SetFinder(&Finder());
  printer.SetUseShortRepeatedPrimitives(true);
  std::string text;
  printer.PrintToString(message, &text);
  return text;
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::string FieldList(const Descriptor& type) {
  const std::vector<std::string> names = FieldNames(type);
  return names.empty() ? "it has none" : "it has: " + absl::StrJoin(names, ", ");
}

std::string TypeName(const Descriptor& type) {
  for (const PluginName& name : PluginIndex::Get().In(type.file()->package())) {
    if (PluginIndex::Get().Find(name.Url()) == &type) return "[" + name.Url() + "]";
  }
  return type.name();
}

}  // namespace pipeline
