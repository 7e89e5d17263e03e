// Loading, resolving and checking of configs.
#include "pipeline/config/config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/files.h"
#include "pipeline/options.pb.h"
#include "pipeline/registry.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using google::protobuf::Any;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr int kMaxIncludeDepth = 32;
constexpr int kMaxIncludes = 256;  // of all files together: two in each of 32 would be 2^32
constexpr int kMaxNodes = 1000;

// ---- includes ----

class Includer {
 public:
  explicit Includer(Diagnostics* errors) : errors_(errors) {}

  absl::Status Load(const std::string& path, Document* into) {
    absl::StatusOr<std::string> text = ReadFile(path, kMaxConfigBytes);
    if (!text.ok()) return text.status();
    Document document;
    if (!ParseConfigText(*text, Shown(path), &document.config, &document.where, errors_)) {
      stopped_ = true;
    }
    if (document.config.node_size() > kMaxNodes) {
      return absl::InvalidArgumentError(
          absl::StrCat(Shown(path), ": more than ", kMaxNodes, " nodes"));
    }
    open_.push_back(Canonical(path));
    for (int i = 0; i < document.config.include_size(); ++i) {
      Include(path, document.config.include(i), document.where.Of((Path() / "include")[i]), into);
    }
    open_.pop_back();
    MergeDocument(document, into);
    return absl::OkStatus();
  }

  // Whether a syntax error hides the rest of a file, so that nothing else can be judged.
  bool stopped() const { return stopped_; }

 private:
  static std::string Canonical(const std::string& path) {
    std::error_code error;
    return fs::weakly_canonical(path, error).string();
  }

  void Include(const std::string& from, const std::string& name, const Location& place,
               Document* into) {
    const std::string beside = (fs::path(from).parent_path() / name).string();
    const std::string shared = WorkspaceFolder() + "/configs/" + name;
    std::error_code error;
    const std::string path = fs::is_regular_file(beside, error) ? beside : shared;
    if (!fs::is_regular_file(path, error)) {
      return errors_->Add(
          place, absl::StrCat("no file \"", name, "\", neither beside this one nor in configs/"));
    }
    const auto loop = std::find(open_.begin(), open_.end(), Canonical(path));
    if (loop != open_.end()) {
      std::vector<std::string> files(loop, open_.end());
      files.push_back(*loop);
      for (std::string& file : files) file = Shown(file);
      return errors_->Add(place, "include loop: " + absl::StrJoin(files, " -> "));
    }
    if (++includes_ > kMaxIncludes) {
      if (includes_ > kMaxIncludes + 1) return;
      return errors_->Add(place, absl::StrCat("more than ", kMaxIncludes, " includes"));
    }
    if (open_.size() >= kMaxIncludeDepth) {
      return errors_->Add(place, absl::StrCat("includes nest deeper than ", kMaxIncludeDepth));
    }
    const absl::Status status = Load(path, into);
    if (!status.ok()) errors_->Add(place, std::string(status.message()));
  }

  Diagnostics* errors_;
  bool stopped_ = false;
  int includes_ = 0;
  std::vector<std::string> open_;
};

// ---- where the data are ----

const FieldDescriptor* DataRootField(const google::protobuf::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->options().HasExtension(data_folder)) return type.field(i);
  }
  return nullptr;
}

// Absolute, as seen from the user's folder, else from the workspace.
std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  if (fs::path(path).is_absolute()) return path;
  const fs::path in_workspace = fs::path(WorkspaceFolder()) / path;
  if (!fs::exists(path, error) && fs::exists(in_workspace, error)) return in_workspace.string();
  return fs::absolute(path, error).lexically_normal().string();
}

// Pins `root` or `embedded_sample`; true where the sample is used.
bool PinData(Message* options) {
  const FieldDescriptor* root = DataRootField(*options->GetDescriptor());
  if (root == nullptr) return false;
  const FieldDescriptor* sample = options->GetDescriptor()->FindFieldByName("embedded_sample");
  const Reflection* reflection = options->GetReflection();
  const std::string given = reflection->GetString(*options, root);
  if (!given.empty()) {
    reflection->SetString(options, root, AbsolutePath(given));
    return false;
  }
  if (sample == nullptr) return false;
  if (reflection->GetBool(*options, sample)) return true;
  const std::string folder =
      WorkspaceFolder() + "/data/" + root->options().GetExtension(data_folder);
  std::error_code error;
  if (fs::is_directory(folder, error)) {
    reflection->SetString(options, root, folder);
    return false;
  }
  reflection->SetBool(options, sample, true);
  return true;
}

// Pins every dataset and file below `message`; true where an embedded sample is used.
bool PinAllData(Message* message) {
  const Reflection* reflection = message->GetReflection();
  if (message->GetDescriptor() == Any::descriptor()) {
    Any* plugin = static_cast<Any*>(message);
    const std::unique_ptr<Message> options = UnpackOptions(*plugin);
    if (options == nullptr) return false;
    const bool sample = PinData(options.get()) | PinAllData(options.get());
    *plugin = PackOptions(*options);
    return sample;
  }
  bool sample = false;
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->options().GetExtension(input_file)) {
      const std::string path = reflection->GetString(*message, field);
      if (!path.empty()) reflection->SetString(message, field, AbsolutePath(path));
    }
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      sample |= PinAllData(reflection->MutableMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      sample |= PinAllData(reflection->MutableRepeatedMessage(message, field, i));
    }
  }
  return sample;
}

// ---- checks ----

// What is wrong with `value`, as "it must be ...", or "".
std::string OutOfRange(double value, const FieldDescriptor& field) {
  if (!std::isfinite(value)) return "it must be a finite number";
  const Range& allowed = field.options().GetExtension(range);
  const bool fits = (!allowed.has_min() || value >= allowed.min()) &&
                    (!allowed.has_max() || value <= allowed.max()) &&
                    (!allowed.has_above() || value > allowed.above()) &&
                    (!allowed.has_below() || value < allowed.below());
  return fits ? "" : "it must be " + RangeText(field);
}

double NumberAt(const Message& message, const FieldDescriptor* field, int i) {
  const Reflection* r = message.GetReflection();
  const bool repeated = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? r->GetRepeatedDouble(message, field, i) : r->GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? r->GetRepeatedFloat(message, field, i) : r->GetFloat(message, field);
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? r->GetRepeatedInt32(message, field, i) : r->GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(repeated ? r->GetRepeatedInt64(message, field, i)
                                          : r->GetInt64(message, field));
    default:
      return 0;  // not a number
  }
}

class Validator {
 public:
  Validator(const Locations& where, Diagnostics* errors) : where_(where), errors_(errors) {}

  void Fields(const Message& message, const Path& path) {
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (!field->is_repeated()) {
        Field(message, field, -1, path / field->name());
        continue;
      }
      const int count = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < count; ++i) Field(message, field, i, (path / field->name())[i]);
    }
  }

  // `place` is the plugin's, `path` that of its options.
  void Plugin(const Any& plugin, const std::string& folder, const Path& place, const Path& path) {
    const std::unique_ptr<Message> options = UnpackOptions(plugin);
    std::vector<std::string> known;
    for (const PluginName& name : PluginIndex::Get().In(folder)) known.push_back(name.Url());
    const bool right_folder = absl::StartsWith(plugin.type_url(), folder + "/");
    if (options == nullptr || !right_folder) {
      errors_->Add(
          where_.Of(place),
          plugin.type_url().empty()
              ? absl::StrCat("empty; it takes a plugin of ", folder,
                             "/: ", absl::StrJoin(known, ", "))
              : absl::StrCat(options == nullptr ? "no plugin \"" : "not a plugin for here: \"",
                             plugin.type_url(), "\"; there are: ", absl::StrJoin(known, ", "),
                             DidYouMean(plugin.type_url(), known)));
      return;
    }
    Fields(*options, path);
  }

 private:
  // `i` is -1 for a field that is no list.
  void Field(const Message& message, const FieldDescriptor* field, int i, const Path& path) {
    if (field->message_type() != nullptr) {
      const Message& inner = i >= 0 ? message.GetReflection()->GetRepeatedMessage(message, field, i)
                                    : message.GetReflection()->GetMessage(message, field);
      if (inner.GetDescriptor() == Any::descriptor()) {
        return Plugin(static_cast<const Any&>(inner), field->options().GetExtension(folder), path,
                      path);
      }
      return Fields(inner, path);
    }
    const double value = NumberAt(message, field, i);
    const std::string wrong = OutOfRange(value, *field);
    if (!wrong.empty()) {
      errors_->Add(where_.Of(path), absl::StrCat(field->name(), " is ", value, "; ", wrong));
    }
  }

  const Locations& where_;
  Diagnostics* errors_;
};

bool IsIdentifier(const std::string& name) {
  return !name.empty() && !absl::ascii_isdigit(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

void Visit(const Message& message, const Path& path,
           const std::function<void(const Any&, const Message&, const std::string&)>& visit) {
  if (message.GetDescriptor() == Any::descriptor()) {
    const Any& plugin = static_cast<const Any&>(message);
    const std::unique_ptr<Message> options = UnpackOptions(plugin);
    if (options == nullptr) return;
    visit(plugin, *options, path.ToString());
    return Visit(*options, path, visit);
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) continue;
    const Path at = path / field->name();
    if (!field->is_repeated()) {
      Visit(message.GetReflection()->GetMessage(message, field), at, visit);
      continue;
    }
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      Visit(message.GetReflection()->GetRepeatedMessage(message, field, i), at[i], visit);
    }
  }
}

}  // namespace

std::string RangeText(const google::protobuf::FieldDescriptor& field) {
  const Range& allowed = field.options().GetExtension(range);
  std::vector<std::string> bounds;
  if (allowed.has_min() && allowed.has_max()) {
    return absl::StrCat("between ", allowed.min(), " and ", allowed.max());
  }
  if (allowed.has_min()) bounds.push_back(absl::StrCat("at least ", allowed.min()));
  if (allowed.has_above()) bounds.push_back(absl::StrCat("above ", allowed.above()));
  if (allowed.has_max()) bounds.push_back(absl::StrCat("at most ", allowed.max()));
  if (allowed.has_below()) bounds.push_back(absl::StrCat("below ", allowed.below()));
  return absl::StrJoin(bounds, " and ");
}

void VisitPlugins(
    const Document& document,
    const std::function<void(const Any&, const Message&, const std::string&)>& visit) {
  for (const Node& node : document.config.node()) Visit(node.plugin(), Path() / node.name(), visit);
}

void Validate(const Document& document, Diagnostics* errors) {
  Validator validator(document.where, errors);
  std::vector<std::string> names;
  const std::vector<std::string> reserved = FieldNames(*Config::descriptor());
  for (const Node& node : document.config.node()) {
    const Path path = Path() / node.name();
    const Location place = document.where.Of(path);
    const std::string& name = node.name();
    if (!IsIdentifier(name)) {
      errors->Add(place,
                  absl::StrCat("a node needs a name of letters, digits and _; got \"", name, "\""));
    } else if (std::find(names.begin(), names.end(), name) != names.end()) {
      errors->Add(place, absl::StrCat("two nodes are called \"", name, "\""));
    } else if (std::find(reserved.begin(), reserved.end(), name) != reserved.end()) {
      errors->Add(place, absl::StrCat("a node cannot be called \"", name,
                                      "\", which is a field of the config"));
    }
    names.push_back(name);
    validator.Plugin(node.plugin(), "plugins", path.Own("plugin"), path);
  }
  validator.Fields(document.config.train(), Path() / "train");
}

void ValidateFields(const Message& message, const Locations& where, Diagnostics* errors) {
  Validator(where, errors).Fields(message, Path());
}

absl::Status ValidatePlugin(const Any& plugin, const std::string& folder) {
  const Locations nowhere;
  Diagnostics errors;
  Validator(nowhere, &errors).Plugin(plugin, folder, Path(), Path());
  return errors.ToStatus();
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path,
                                        const std::vector<std::string>& sets, Diagnostics* errors) {
  Document merged;
  Includer includer(errors);
  const absl::Status status = includer.Load(path, &merged);
  if (!status.ok()) return status;
  if (includer.stopped()) return errors->ToStatus();

  // Whether the sample is needed depends on --set, and --set wins over sample_overrides.
  Document trial = merged;
  trial.config.clear_sample_overrides();  // a dataset in there asks for nothing yet
  Diagnostics ignored;
  for (const std::string& set : sets) ApplySet(set, &trial, &ignored);
  LoadedConfig loaded;
  loaded.path = path;
  loaded.name = fs::path(path).stem().string();
  loaded.embedded_sample = PinAllData(&trial.config);
  loaded.document = std::move(merged);
  if (loaded.embedded_sample) MergeSampleOverrides(&loaded.document);
  loaded.document.config.clear_sample_overrides();
  loaded.document.config.clear_include();
  for (const std::string& set : sets) ApplySet(set, &loaded.document, errors);
  PinAllData(&loaded.document.config);
  Validate(loaded.document, errors);
  return loaded;
}

}  // namespace pipeline
