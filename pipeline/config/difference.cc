// Comparison by reflection, through plugins.
#include "pipeline/config/difference.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/config/text.h"
#include "pipeline/options.pb.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using google::protobuf::Any;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr size_t kLongest = 60;  // bytes of a value that are shown

std::string OneLine(const std::string& text) {
  const std::vector<std::string> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  const std::string line = absl::StrJoin(words, " ");
  return line.size() <= kLongest ? line : line.substr(0, kLongest) + "...";
}

class Comparison {
 public:
  void Messages(const Message& before, const Message& after, const std::string& path) {
    const google::protobuf::Descriptor* type = before.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const std::string below = absl::StrCat(path, path.empty() ? "" : ".", field->name());
      if (field->is_repeated()) {
        Lists(before, after, field, below);
      } else if (field->message_type() != nullptr) {
        const auto get = [field](const Message& message) -> const Message& {
          return message.GetReflection()->GetMessage(message, field);
        };
        Values(get(before), get(after), below);
      } else {
        Scalars(before, after, field, -1, below);
      }
    }
  }

  // Two plugins, or two messages of one type.
  void Values(const Message& before, const Message& after, const std::string& path) {
    if (before.GetDescriptor() != Any::descriptor()) return Messages(before, after, path);
    const auto &was = static_cast<const Any&>(before), &is = static_cast<const Any&>(after);
    const std::unique_ptr<Message> old_options = UnpackOptions(was), options = UnpackOptions(is);
    const bool comparable =
        old_options != nullptr && options != nullptr && was.type_url() == is.type_url();
    if (comparable) return Messages(*old_options, *options, path);
    if (was.type_url() == is.type_url() && was.value() == is.value()) return;
    const auto name = [](const Any& any) {
      return any.type_url().empty() ? "" : absl::StrCat("[", NameOf(any).Url(), "]");
    };
    Add(path, name(was), name(is));
  }

  void Add(const std::string& path, const std::string& before, const std::string& after) {
    changes.push_back({path, before, after, neutral_});
  }

  std::vector<Change> changes;

 private:
  void Lists(const Message& before, const Message& after, const FieldDescriptor* field,
             const std::string& path) {
    const int was = before.GetReflection()->FieldSize(before, field);
    const int is = after.GetReflection()->FieldSize(after, field);
    for (int i = 0; i < std::max(was, is); ++i) {
      const std::string element = absl::StrCat(path, "[", i, "]");
      if (i >= was || i >= is) {
        Add(element, i < was ? Text(before, field, i) : "", i < is ? Text(after, field, i) : "");
      } else if (field->message_type() != nullptr) {
        Values(before.GetReflection()->GetRepeatedMessage(before, field, i),
               after.GetReflection()->GetRepeatedMessage(after, field, i), element);
      } else {
        Scalars(before, after, field, i, element);
      }
    }
  }

  void Scalars(const Message& before, const Message& after, const FieldDescriptor* field, int index,
               const std::string& path) {
    const std::string was = Text(before, field, index), is = Text(after, field, index);
    if (was == is) return;
    neutral_ = field->options().GetExtension(neutral);
    Add(path, was, is);
    neutral_ = false;
  }

  static std::string Text(const Message& message, const FieldDescriptor* field, int index) {
    if (field->message_type() == Any::descriptor()) {
      const Message& any = message.GetReflection()->GetRepeatedMessage(message, field, index);
      return absl::StrCat("[", NameOf(static_cast<const Any&>(any)).Url(), "]");
    }
    std::string text;
    google::protobuf::TextFormat::PrintFieldValueToString(message, field, index, &text);
    return text;
  }

  bool neutral_ = false;
};

const Node* Find(const Config& config, const std::string& name) {
  for (const Node& node : config.node()) {
    if (node.name() == name) return &node;
  }
  return nullptr;
}

}  // namespace

std::string Change::Text() const {
  const auto shown = [](const std::string& value) {
    return value.empty() ? std::string("nothing") : OneLine(value);
  };
  return absl::StrCat(path, ": ", shown(before), " -> ", shown(after));
}

std::vector<Change> Differences(const Config& before, const Config& after) {
  Comparison comparison;
  for (const Node& node : before.node()) {
    const Node* now = Find(after, node.name());
    if (now == nullptr) {
      comparison.Add(node.name(), "a node", "");
      continue;
    }
    comparison.Values(node.plugin(), now->plugin(), node.name());
    const auto inputs = [](const Node& of) { return absl::StrJoin(of.input(), ", "); };
    if (inputs(node) != inputs(*now)) {
      comparison.Add(node.name() + ":input", inputs(node), inputs(*now));
    }
    if (node.has_phase() != now->has_phase() || node.phase() != now->phase()) {
      const auto phase = [](const Node& of) {
        return of.has_phase() ? Phase_Name(of.phase()) : std::string();
      };
      comparison.Add(node.name() + ":phase", phase(node), phase(*now));
    }
  }
  for (const Node& node : after.node()) {
    if (Find(before, node.name()) == nullptr) comparison.Add(node.name(), "", "a node");
  }
  comparison.Messages(before.train(), after.train(), "train");
  return comparison.changes;
}

bool LiesIn(const std::string& path, const std::string& field) {
  if (!absl::StartsWith(path, field)) return false;
  return path.size() == field.size() || absl::StrContains(".[:", path.substr(field.size(), 1));
}

}  // namespace pipeline
