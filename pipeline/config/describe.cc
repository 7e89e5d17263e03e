// Texts made from descriptors and the comments of the .proto files.
#include "pipeline/config/describe.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "pipeline/config/config.h"
#include "pipeline/config/embedded.h"
#include "pipeline/options.pb.h"
#include "pipeline/registry.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr size_t kWidth = 78;

// Broken into lines, each after `indent` blanks.
std::string Wrapped(const std::string& text, size_t indent) {
  std::string out, line;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) {
      absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? "" : " ", word);
  }
  if (!line.empty()) absl::StrAppend(&out, std::string(indent, ' '), line, "\n");
  return out;
}

// Whether the full stop at `end` belongs to its word: "et al.", "e.g.", "J. Tang".
bool IsAbbreviation(const std::string& text, size_t end) {
  const size_t blank = text.find_last_of(" (", end);
  const std::string word =
      blank == std::string::npos ? text.substr(0, end) : text.substr(blank + 1, end - blank - 1);
  for (const char* known : {"al", "cf", "e.g", "etc", "i.e", "resp", "vs"}) {
    if (word == known) return true;
  }
  return word.size() == 1 && absl::ascii_isupper(word[0]);
}

std::string TypeText(const FieldDescriptor& field) {
  std::string type;
  if (field.enum_type() != nullptr) {
    std::vector<std::string> values;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
      values.push_back(field.enum_type()->value(i)->name());
    }
    type = absl::StrJoin(values, " | ");
  } else if (field.message_type() != nullptr) {
    const std::string folder = field.options().GetExtension(pipeline::folder);
    type = folder.empty() ? field.message_type()->name() : absl::StrCat("plugin of ", folder, "/");
  } else {
    type = field.cpp_type_name();
  }
  return field.is_repeated() ? "list of " + type : type;
}

std::string DefaultText(const FieldDescriptor& field) {
  if (field.is_repeated() || field.message_type() != nullptr) return "";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return field.default_value_bool() ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(field.default_value_double());
    case FieldDescriptor::CPPTYPE_ENUM:
      return field.default_value_enum()->name();
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrCat(field.default_value_float());
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(field.default_value_int32());
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(field.default_value_int64());
    case FieldDescriptor::CPPTYPE_STRING:
      return absl::StrCat("\"", field.default_value_string(), "\"");
    default:
      return "";
  }
}

std::string OptionsText(const Descriptor& type) {
  std::string text;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    absl::StrAppend(&text, "\n  ", field.name(), "  (", TypeText(field));
    const std::string value = DefaultText(field);
    if (!value.empty()) absl::StrAppend(&text, ", default ", value);
    const std::string range = RangeText(field);
    if (!range.empty()) absl::StrAppend(&text, ", ", range);
    absl::StrAppend(&text, ")\n", Wrapped(CommentOf(field.full_name()), 6));
    if (field.enum_type() == nullptr) continue;
    for (int j = 0; j < field.enum_type()->value_count(); ++j) {
      const auto& choice = *field.enum_type()->value(j);
      // The full name of an enum's value leaves out the enum, its comment's key does not.
      const std::string help =
          CommentOf(absl::StrCat(field.enum_type()->full_name(), ".", choice.name()));
      if (!help.empty()) absl::StrAppend(&text, Wrapped(choice.name() + ": " + help, 8));
    }
  }
  return text;
}

// Configs whose resolved form holds the plugin.
std::vector<std::string> ConfigsWith(const std::string& url) {
  std::vector<std::string> users;
  for (const std::string& config : ConfigNames()) {
    Diagnostics ignored;
    const auto loaded = LoadConfig(WorkspaceFolder() + "/configs/" + config, {}, &ignored);
    if (!loaded.ok()) continue;
    bool uses = false;
    VisitPlugins(loaded->document,
                 [&](const google::protobuf::Any& plugin, const google::protobuf::Message&,
                     const std::string&) { uses = uses || plugin.type_url() == url; });
    if (uses) users.push_back(Printable(config));
  }
  return users;
}

// Lower case, without underscores and brackets.
std::string Folded(const std::string& name) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", ""}, {"[", ""}, {"]", ""}});
}

}  // namespace

std::string FirstSentence(const std::string& text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += (text[i] == '(' || text[i] == '[') - (text[i] == ')' || text[i] == ']');
    const bool last = i + 1 == text.size();
    if (depth > 0 || (!last && text[i + 1] != ' ')) continue;
    const bool stop = text[i] == '.' && (last || !IsAbbreviation(text, i));
    if (stop || text[i] == ':') return text.substr(0, i);
  }
  return text;
}

std::string ListPlugins() {
  constexpr size_t kColumn = 29;  // of the descriptions
  std::string text, folder;
  for (const PluginName& name : PluginIndex::Get().All()) {
    if (name.folder != folder) {
      absl::StrAppend(&text, folder.empty() ? "" : "\n", name.folder, "/\n");
      folder = name.folder;
    }
    const std::string comment = CommentOf(PluginIndex::Get().Find(name.Url())->full_name());
    // A name too long for the column stands on a line of its own.
    std::string lines = Wrapped(FirstSentence(comment), kColumn);
    const std::string start = absl::StrCat("  ", name.name, " ");
    if (lines.empty()) {
      absl::StrAppend(&text, start, "\n");
    } else if (start.size() <= kColumn) {
      absl::StrAppend(&text, start, lines.substr(start.size()));
    } else {
      absl::StrAppend(&text, start, "\n", lines);
    }
  }
  return text;
}

absl::StatusOr<PluginName> FindPlugin(const std::string& name) {
  std::vector<PluginName> matches;
  std::vector<std::string> known;
  for (const PluginName& plugin : PluginIndex::Get().All()) {
    known.push_back(plugin.name);
    if (Folded(plugin.name) == Folded(name) || Folded(plugin.Url()) == Folded(name)) {
      matches.push_back(plugin);
    }
  }
  if (matches.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no plugin \"", name, "\"", DidYouMean(name, known), " (`list` shows all)"));
  }
  if (matches.size() > 1) {
    std::vector<std::string> urls;
    for (const PluginName& match : matches) urls.push_back(match.Url());
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is ambiguous; say which: ", absl::StrJoin(urls, ", ")));
  }
  return matches[0];
}

namespace {

// A message of the core, and those that it holds.
void DescribeMessage(const Descriptor& type, std::vector<const Descriptor*>* seen,
                     std::string* text) {
  if (std::find(seen->begin(), seen->end(), &type) != seen->end()) return;
  seen->push_back(&type);
  absl::StrAppend(text, text->empty() ? "" : "\n", type.name(), "\n",
                  Wrapped(CommentOf(type.full_name()), 2), OptionsText(type));
  for (int i = 0; i < type.field_count(); ++i) {
    const Descriptor* inner = type.field(i)->message_type();
    if (inner != nullptr && inner->file()->package() == type.file()->package()) {
      DescribeMessage(*inner, seen, text);
    }
  }
}

// "Train", or the file of a study; nullptr for another name. Who asks has linked them.
const Descriptor* CoreMessage(const std::string& folded) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const char* name : {"pipeline.Train", "pipeline.Study"}) {
    const Descriptor* type = pool->FindMessageTypeByName(name);
    if (type != nullptr && Folded(type->name()) == folded) return type;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::string> DescribePlugin(const std::string& name) {
  if (const Descriptor* type = CoreMessage(Folded(name))) {
    std::string text;
    std::vector<const Descriptor*> seen;
    DescribeMessage(*type, &seen, &text);
    return text;
  }
  const absl::StatusOr<PluginName> found = FindPlugin(name);
  if (!found.ok()) return found.status();
  const std::string url = found->Url();
  const Descriptor& type = *PluginIndex::Get().Find(url);
  std::string text =
      absl::StrCat("[", url, "]\n", Wrapped(CommentOf(type.full_name()), 2), OptionsText(type));
  if (type.field_count() == 0) absl::StrAppend(&text, "\n  no options\n");
  const std::vector<std::string> users = ConfigsWith(url);
  absl::StrAppend(&text, "\nused by ",
                  users.empty() ? "no config of this workspace" : absl::StrJoin(users, ", "), "\n");
  return text;
}

}  // namespace pipeline
