// The index of plugins, and options in and out of google.protobuf.Any.
#include "pipeline/registry.h"

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

namespace pipeline {
namespace {

constexpr char kOptionPayload[] = "pipeline/option";
constexpr char kSuffix[] = "Options";

PluginName NameOfOptions(const google::protobuf::Descriptor& options) {
  std::string name = options.name();
  if (absl::EndsWith(name, kSuffix)) name.resize(name.size() - (sizeof(kSuffix) - 1));
  return {options.file()->package(), name, FileNameOf(name)};
}

// The plugins that a plugin's options hold, in the order of their fields.
std::vector<google::protobuf::Any> PluginsIn(const google::protobuf::Any& plugin) {
  std::vector<google::protobuf::Any> plugins;
  const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
  if (options == nullptr) return plugins;
  const google::protobuf::Reflection& reflection = *options->GetReflection();
  const auto add = [&](const google::protobuf::Message& message) {
    plugins.push_back(static_cast<const google::protobuf::Any&>(message));
  };
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(*options, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->message_type() != google::protobuf::Any::descriptor()) continue;
    if (!field->is_repeated()) add(reflection.GetMessage(*options, field));
    for (int i = 0; field->is_repeated() && i < reflection.FieldSize(*options, field); ++i) {
      add(reflection.GetRepeatedMessage(*options, field, i));
    }
  }
  return plugins;
}

}  // namespace

std::string FileNameOf(const std::string& class_name) {
  std::string file;
  for (size_t i = 0; i < class_name.size(); ++i) {
    if (i > 0 && absl::ascii_isupper(class_name[i])) file += '_';
    file += absl::ascii_tolower(class_name[i]);
  }
  return file;
}

PluginIndex& PluginIndex::Get() {
  static auto* index = new PluginIndex();
  return *index;
}

const std::map<std::string, std::pair<PluginName, const google::protobuf::Descriptor*>>&
PluginIndex::ByUrl() const {
  for (; indexed_ < added_.size(); ++indexed_) {
    const google::protobuf::Descriptor* options = added_[indexed_]();
    const PluginName name = NameOfOptions(*options);
    by_url_[name.Url()] = {name, options};
  }
  return by_url_;
}

std::vector<PluginName> PluginIndex::All() const {
  std::vector<PluginName> names;
  for (const auto& [url, entry] : ByUrl()) names.push_back(entry.first);
  return names;
}

std::vector<PluginName> PluginIndex::In(const std::string& folder) const {
  std::vector<PluginName> names;
  for (const auto& [url, entry] : ByUrl()) {
    if (entry.first.folder == folder) names.push_back(entry.first);
  }
  return names;
}

const google::protobuf::Descriptor* PluginIndex::Find(const std::string& url) const {
  const auto found = ByUrl().find(url);
  return found == ByUrl().end() ? nullptr : found->second.second;
}

PluginName NameOf(const google::protobuf::Any& plugin) {
  const google::protobuf::Descriptor* options = PluginIndex::Get().Find(plugin.type_url());
  return options == nullptr ? PluginName() : NameOfOptions(*options);
}

std::unique_ptr<google::protobuf::Message> UnpackOptions(const google::protobuf::Any& plugin) {
  const google::protobuf::Descriptor* type = PluginIndex::Get().Find(plugin.type_url());
  if (type == nullptr) return nullptr;
  std::unique_ptr<google::protobuf::Message> options(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!options->ParsePartialFromString(plugin.value())) return nullptr;
  return options;
}

std::string NameOfParts(const google::protobuf::Any& plugin) {
  const PluginName name = NameOf(plugin);
  std::vector<std::string> parts;
  for (const google::protobuf::Any& part : PluginsIn(plugin)) {
    if (NameOf(part).folder == name.folder) parts.push_back(NameOfParts(part));
  }
  return parts.empty() ? name.file : absl::StrJoin(parts, "+");
}

google::protobuf::Any PackOptions(const google::protobuf::Message& options) {
  google::protobuf::Any plugin;
  plugin.set_type_url(NameOfOptions(*options.GetDescriptor()).Url());
  options.SerializePartialToString(plugin.mutable_value());
  return plugin;
}

absl::Status OptionError(const std::string& option, const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kOptionPayload, absl::Cord(option));
  return status;
}

absl::Status Within(const std::string& outer, const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  const std::string option = OptionOf(status);
  return OptionError(option.empty() ? outer : absl::StrCat(outer, ".", option),
                     std::string(status.message()));
}

std::string OptionOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kOptionPayload);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace pipeline
