// Merging of configs and --set, by reflection, so that plugins need no code for either.
#include "pipeline/config/edit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "pipeline/config/text.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void MergeMessage(const Message& later, Message* into, const std::string& prefix, Locations* where);

void MergeAny(const Any& later, Any* into, const std::string& prefix, Locations* where) {
  std::unique_ptr<Message> options = UnpackOptions(*into);
  if (options == nullptr || later.type_url() != into->type_url()) {
    where->EraseBelow(std::string(absl::StripSuffix(prefix, ".")));
    *into = later;
    return;
  }
  MergeMessage(*UnpackOptions(later), options.get(), prefix, where);
  *into = PackOptions(*options);
}

// `prefix` is the path of the message, with the separator that its fields follow.
void MergeMessage(const Message& later, Message* into, const std::string& prefix,
                  Locations* where) {
  const Reflection* reflection = into->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  later.GetReflection()->ListFields(later, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = prefix + field->name();
    if (!field->is_repeated() && field->message_type() != nullptr) {
      const Message& from = later.GetReflection()->GetMessage(later, field);
      Message* to = reflection->MutableMessage(into, field);
      if (field->message_type() == Any::descriptor()) {
        MergeAny(static_cast<const Any&>(from), static_cast<Any*>(to), path + ".", where);
      } else {
        MergeMessage(from, to, path + ".", where);
      }
      continue;
    }
    if (field->is_repeated()) where->EraseBelow(path);
    reflection->ClearField(into, field);
    std::unique_ptr<Message> only(later.New());
    only->CopyFrom(later);
    for (const FieldDescriptor* other : fields) {
      if (other != field) only->GetReflection()->ClearField(only.get(), other);
    }
    into->MergeFrom(*only);
  }
}

Node* FindNode(Config* config, const std::string& name) {
  for (Node& node : *config->mutable_node()) {
    if (node.name() == name) return &node;
  }
  return nullptr;
}

void MergeNode(const Node& later, Node* into, const std::string& path, Locations* where) {
  if (later.has_plugin()) MergeAny(later.plugin(), into->mutable_plugin(), path + ".", where);
  if (later.input_size() > 0) {
    where->EraseBelow(path + ":input");
    *into->mutable_input() = later.input();
  }
  if (later.has_phase()) into->set_phase(later.phase());
}

// Duplicate names within one file are kept apart, for Validate() to find.
void MergeConfig(const Config& later, Config* into, const std::string& prefix, Locations* where) {
  std::vector<std::string> seen;
  for (const Node& node : later.node()) {
    Node* same = FindNode(into, node.name());
    const bool duplicate = std::find(seen.begin(), seen.end(), node.name()) != seen.end();
    if (same == nullptr || duplicate) {
      *into->add_node() = node;
    } else {
      MergeNode(node, same, prefix + node.name(), where);
    }
    seen.push_back(node.name());
  }
  if (later.has_train()) {
    MergeMessage(later.train(), into->mutable_train(), prefix + "train.", where);
  }
  if (later.has_sample_overrides()) {
    MergeConfig(later.sample_overrides(), into->mutable_sample_overrides(),
                prefix + "sample_overrides:", where);
  }
}

// ---- --set ----

struct Segment {
  std::string name;
  int index = -1;  // -1: none given
};

bool ParsePath(const std::string& path, std::vector<Segment>* segments) {
  for (absl::string_view part : absl::StrSplit(path, '.')) {
    Segment segment;
    const size_t open = part.find('[');
    segment.name = std::string(part.substr(0, open));
    if (open != absl::string_view::npos) {
      const absl::string_view index = part.substr(open + 1);
      if (!absl::EndsWith(index, "]") ||
          !absl::SimpleAtoi(index.substr(0, index.size() - 1), &segment.index) ||
          segment.index < 0) {
        return false;
      }
    }
    if (segment.name.empty()) return false;
    segments->push_back(segment);
  }
  return true;
}

// Walks down the segments and assigns at the last one. Each method returns what is wrong, or "".
class Setter {
 public:
  Setter(std::vector<Segment> segments, std::string value)
      : segments_(std::move(segments)), value_(std::move(value)) {}

  std::string At(size_t depth, Message* message) {
    if (message->GetDescriptor() == Any::descriptor()) {
      Any* plugin = static_cast<Any*>(message);
      const std::unique_ptr<Message> options = UnpackOptions(*plugin);
      if (options == nullptr) {
        return plugin->type_url().empty()
                   ? absl::StrCat("\"", Until(depth),
                                  "\" holds no plugin yet; set it whole: ", Until(depth),
                                  "=[folder/Name] { ... }")
                   : absl::StrCat("no plugin \"", plugin->type_url(), "\"");
      }
      const std::string error = At(depth, options.get());
      if (error.empty()) *plugin = PackOptions(*options);
      return error;
    }
    const Segment& segment = segments_[depth];
    const Descriptor* type = message->GetDescriptor();
    const FieldDescriptor* field = type->FindFieldByName(segment.name);
    if (field == nullptr) {
      return absl::StrCat(TypeName(*type), " has no field \"", segment.name, "\"; ",
                          FieldList(*type), DidYouMean(segment.name, FieldNames(*type)));
    }
    if (segment.index >= 0 && !field->is_repeated()) {
      return absl::StrCat("\"", segment.name, "\" is a single value, not a list");
    }
    const int size =
        field->is_repeated() ? message->GetReflection()->FieldSize(*message, field) : 0;
    if (segment.index >= size && segment.index >= 0) {
      return absl::StrCat("\"", segment.name, "\" has ", size, " elements, so no [", segment.index,
                          "]");
    }
    return depth + 1 == segments_.size() ? Assign(message, field, segment.index)
                                         : Enter(depth, message, field);
  }

 private:
  std::string Until(size_t depth) const {
    return absl::StrJoin(segments_.begin(), segments_.begin() + depth, ".",
                         [](std::string* out, const Segment& segment) {
                           absl::StrAppend(out, segment.name);
                           if (segment.index >= 0) absl::StrAppend(out, "[", segment.index, "]");
                         });
  }

  std::string Enter(size_t depth, Message* message, const FieldDescriptor* field) {
    const int index = segments_[depth].index;
    if (field->message_type() == nullptr) {
      return absl::StrCat("\"", field->name(), "\" holds a plain value; nothing lies below it");
    }
    if (field->is_repeated() && index < 0) {
      return absl::StrCat("\"", field->name(), "\" is a list; pick an element: ", field->name(),
                          "[0]");
    }
    return At(depth + 1,
              field->is_repeated()
                  ? message->GetReflection()->MutableRepeatedMessage(message, field, index)
                  : message->GetReflection()->MutableMessage(message, field));
  }

  std::string Assign(Message* message, const FieldDescriptor* field, int index) {
    std::unique_ptr<Message> parsed(message->New());
    std::string error;
    if (!Parse(field, index >= 0, parsed.get(), &error)) return error;
    const Reflection* reflection = message->GetReflection();
    if (index < 0) {
      reflection->ClearField(message, field);
      message->MergeFrom(*parsed);
      return "";
    }
    if (reflection->FieldSize(*parsed, field) != 1) return "one element takes one value";
    // Appended, moved to its place, and the old element dropped: works for every element type.
    message->MergeFrom(*parsed);
    const int last = reflection->FieldSize(*message, field) - 1;
    reflection->SwapElements(message, field, index, last);
    reflection->RemoveLast(message, field);
    return "";
  }

  bool Parse(const FieldDescriptor* field, bool element, Message* into, std::string* error) {
    const std::string value(absl::StripAsciiWhitespace(value_));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !absl::StartsWith(value, "\"") &&
        !absl::StartsWith(value, "'") && (element || !field->is_repeated())) {
      if (field->is_repeated()) {
        into->GetReflection()->AddString(into, field, value);
      } else {
        into->GetReflection()->SetString(into, field, value);
      }
      return true;
    }
    if (value.empty()) {
      *error = "no value after \"=\"";
      return false;
    }
    const bool message = field->message_type() != nullptr;
    const bool braced = absl::StartsWith(value, "{");
    const bool list = absl::StartsWith(absl::StripAsciiWhitespace(value.substr(1)), "{") ||
                      absl::StartsWith(absl::StripAsciiWhitespace(value.substr(1)), "]");
    if (message && !braced && !(field->is_repeated() && list)) {
      return ParseFields(absl::StrCat(field->name(), " { ", value, " }"), into, error);
    }
    return ParseFields(absl::StrCat(field->name(), ": ", value), into, error);
  }

  const std::vector<Segment> segments_;
  const std::string value_;
};

std::vector<std::string> FirstSegments(const Config& config) {
  std::vector<std::string> names;
  for (const Node& node : config.node()) names.push_back(node.name());
  names.push_back("train");
  return names;
}

}  // namespace

void MergeDocument(const Document& later, Document* into) {
  MergeConfig(later.config, &into->config, "", &into->where);
  into->where.Take(later.where);
}

void MergeSampleOverrides(Document* document) {
  Document overrides;
  overrides.config = document->config.sample_overrides();
  overrides.where.Take(document->where, "sample_overrides:");
  document->config.clear_sample_overrides();
  MergeDocument(overrides, document);
}

void ApplySet(const std::string& assignment, Document* document, Diagnostics* errors) {
  const Location place{"--set " + assignment, 0, 0};
  const size_t equals = assignment.find('=');
  std::vector<Segment> segments;
  if (equals == std::string::npos || !ParsePath(assignment.substr(0, equals), &segments)) {
    errors->Add(place, "not of the form PATH=VALUE, as in train.epochs=5");
    return;
  }
  const std::string path = assignment.substr(0, equals);
  const std::string value = assignment.substr(equals + 1);
  Node* node = FindNode(&document->config, segments[0].name);
  std::string error;
  if (node != nullptr && segments.size() == 1) {
    std::string message;
    Node parsed;
    if (!ParseFields(absl::StrCat("plugin { ", value, " }"), &parsed, &message)) {
      error = message;
    } else {
      *node->mutable_plugin() = parsed.plugin();
    }
  } else if (node != nullptr) {
    error = Setter({segments.begin() + 1, segments.end()}, value).At(0, node->mutable_plugin());
  } else if (segments[0].name == "train") {
    error = Setter(segments, value).At(0, &document->config);
  } else {
    const std::vector<std::string> names = FirstSegments(document->config);
    error = absl::StrCat("no node or field \"", segments[0].name,
                         "\"; there are: ", absl::StrJoin(names, ", "),
                         DidYouMean(segments[0].name, names));
  }
  if (!error.empty()) return errors->Add(place, error);
  document->where.EraseBelow(path);
  document->where.Set(path, place);
}

}  // namespace pipeline
