// Merging of configs and --set, by reflection, so that plugins need no code for either.
#include "pipeline/config/edit.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using google::protobuf::Any;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void MergeMessage(const Message& later, Message* into, const Path& at, Locations* where);

void MergeAny(const Any& later, Any* into, const Path& at, Locations* where) {
  std::unique_ptr<Message> options = UnpackOptions(*into);
  if (options == nullptr || later.type_url() != into->type_url()) {
    where->EraseBelow(at);
    *into = later;
    return;
  }
  MergeMessage(*UnpackOptions(later), options.get(), at, where);
  *into = PackOptions(*options);
}

void MergeMessage(const Message& later, Message* into, const Path& at, Locations* where) {
  const Reflection* reflection = into->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  later.GetReflection()->ListFields(later, &fields);
  for (const FieldDescriptor* field : fields) {
    const Path path = at / field->name();
    if (!field->is_repeated() && field->message_type() != nullptr) {
      const Message& from = later.GetReflection()->GetMessage(later, field);
      Message* to = reflection->MutableMessage(into, field);
      if (field->message_type() == Any::descriptor()) {
        MergeAny(static_cast<const Any&>(from), static_cast<Any*>(to), path, where);
      } else {
        MergeMessage(from, to, path, where);
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

void MergeNode(const Node& later, Node* into, const Path& path, Locations* where) {
  if (later.has_plugin()) MergeAny(later.plugin(), into->mutable_plugin(), path, where);
  if (later.input_size() > 0) {
    where->EraseBelow(path.Own("input"));
    *into->mutable_input() = later.input();
  }
  if (later.has_phase()) into->set_phase(later.phase());
}

// Duplicate names within one file are kept apart, for Validate() to find.
void MergeConfig(const Config& later, Config* into, const Path& at, Locations* where) {
  std::vector<std::string> seen;
  for (const Node& node : later.node()) {
    Node* same = FindNode(into, node.name());
    const bool duplicate = std::find(seen.begin(), seen.end(), node.name()) != seen.end();
    if (same == nullptr || duplicate) {
      *into->add_node() = node;
    } else {
      MergeNode(node, same, at / node.name(), where);
    }
    seen.push_back(node.name());
  }
  if (later.has_train()) {
    MergeMessage(later.train(), into->mutable_train(), at / "train", where);
  }
  if (later.has_sample_overrides()) {
    MergeConfig(later.sample_overrides(), into->mutable_sample_overrides(), at / "sample_overrides",
                where);
  }
}

// ---- --set ----

absl::Status Wrong(const std::string& what) { return absl::InvalidArgumentError(what); }

// Walks down a path and assigns at its end.
class Setter {
 public:
  Setter(std::vector<Path::Segment> segments, std::string value)
      : segments_(std::move(segments)), value_(std::move(value)) {}

  absl::Status At(size_t depth, Message* message) {
    if (message->GetDescriptor() == Any::descriptor()) {
      return Within(depth, static_cast<Any*>(message));
    }
    const Path::Segment& segment = segments_[depth];
    const Descriptor* type = message->GetDescriptor();
    const FieldDescriptor* field = type->FindFieldByName(segment.name);
    if (field == nullptr) {
      return Wrong(absl::StrCat(TypeName(*type), " has no field \"", segment.name, "\"; ",
                                FieldList(*type), DidYouMean(segment.name, FieldNames(*type))));
    }
    if (segment.index >= 0 && !field->is_repeated()) {
      return Wrong(absl::StrCat("\"", segment.name, "\" is a single value, not a list"));
    }
    const int size =
        field->is_repeated() ? message->GetReflection()->FieldSize(*message, field) : 0;
    if (segment.index >= size && segment.index >= 0) {
      return Wrong(absl::StrCat("\"", segment.name, "\" has ", size, " elements, so no [",
                                segment.index, "]"));
    }
    return depth + 1 == segments_.size() ? Assign(message, field, segment.index)
                                         : Enter(depth, message, field);
  }

 private:
  absl::Status Within(size_t depth, Any* plugin) {
    const std::unique_ptr<Message> options = UnpackOptions(*plugin);
    if (options == nullptr && plugin->type_url().empty()) {
      Path path;
      for (size_t i = 0; i < depth; ++i) path = (path / segments_[i].name)[segments_[i].index];
      return Wrong(absl::StrCat("\"", path.ToString(), "\" holds no plugin yet; set it whole: ",
                                path.ToString(), "=[folder/Name] { ... }"));
    }
    if (options == nullptr) return Wrong(absl::StrCat("no plugin \"", plugin->type_url(), "\""));
    const absl::Status set = At(depth, options.get());
    if (set.ok()) *plugin = PackOptions(*options);
    return set;
  }

  absl::Status Enter(size_t depth, Message* message, const FieldDescriptor* field) {
    const int index = segments_[depth].index;
    if (field->message_type() == nullptr) {
      return Wrong(
          absl::StrCat("\"", field->name(), "\" holds a plain value; nothing lies below it"));
    }
    if (field->is_repeated() && index < 0) {
      return Wrong(absl::StrCat("\"", field->name(),
                                "\" is a list; pick an element: ", field->name(), "[0]"));
    }
    return At(depth + 1,
              field->is_repeated()
                  ? message->GetReflection()->MutableRepeatedMessage(message, field, index)
                  : message->GetReflection()->MutableMessage(message, field));
  }

  absl::Status Assign(Message* message, const FieldDescriptor* field, int index) {
    std::unique_ptr<Message> parsed(message->New());
    const absl::Status status = Parse(field, index >= 0, parsed.get());
    if (!status.ok()) return status;
    const Reflection* reflection = message->GetReflection();
    if (index < 0) {
      reflection->ClearField(message, field);
      message->MergeFrom(*parsed);
      return absl::OkStatus();
    }
    if (reflection->FieldSize(*parsed, field) != 1) return Wrong("one element takes one value");
    // Appended, moved to its place, and the old element dropped: works for every element type.
    message->MergeFrom(*parsed);
    const int last = reflection->FieldSize(*message, field) - 1;
    reflection->SwapElements(message, field, index, last);
    reflection->RemoveLast(message, field);
    return absl::OkStatus();
  }

  absl::Status Parse(const FieldDescriptor* field, bool element, Message* into) {
    const std::string value(absl::StripAsciiWhitespace(value_));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && !absl::StartsWith(value, "\"") &&
        !absl::StartsWith(value, "'") && (element || !field->is_repeated())) {
      if (field->is_repeated()) {
        into->GetReflection()->AddString(into, field, value);
      } else {
        into->GetReflection()->SetString(into, field, value);
      }
      return absl::OkStatus();
    }
    if (value.empty()) return Wrong("no value after \"=\"");
    const bool message = field->message_type() != nullptr;
    const bool braced = absl::StartsWith(value, "{");
    const bool list = absl::StartsWith(absl::StripAsciiWhitespace(value.substr(1)), "{") ||
                      absl::StartsWith(absl::StripAsciiWhitespace(value.substr(1)), "]");
    if (message && !braced && !(field->is_repeated() && list)) {
      return ParseFields(absl::StrCat(field->name(), " { ", value, " }"), into);
    }
    return ParseFields(absl::StrCat(field->name(), ": ", value), into);
  }

  const std::vector<Path::Segment> segments_;
  const std::string value_;
};

absl::Status SetPlugin(const std::string& value, Node* node) {
  Node parsed;
  const absl::Status status = ParseFields(absl::StrCat("plugin { ", value, " }"), &parsed);
  if (status.ok()) *node->mutable_plugin() = parsed.plugin();
  return status;
}

std::vector<std::string> FirstSegments(const Config& config) {
  std::vector<std::string> names;
  for (const Node& node : config.node()) names.push_back(node.name());
  names.push_back("train");
  return names;
}

}  // namespace

void MergeDocument(const Document& later, Document* into) {
  MergeConfig(later.config, &into->config, Path(), &into->where);
  into->where.Take(later.where);
}

void MergeSampleOverrides(Document* document) {
  Document overrides;
  overrides.config = document->config.sample_overrides();
  overrides.where.Take(document->where, Path() / "sample_overrides");
  document->config.clear_sample_overrides();
  MergeDocument(overrides, document);
}

void ApplySet(const std::string& assignment, Document* document, Diagnostics* errors) {
  const Location place{"--set " + assignment, 0, 0};
  const size_t equals = assignment.find('=');
  const std::optional<Path> path = Path::Parse(assignment.substr(0, equals));
  if (equals == std::string::npos || !path.has_value()) {
    errors->Add(place, "not of the form PATH=VALUE, as in train.epochs=5");
    return;
  }
  const std::vector<Path::Segment>& segments = path->segments();
  const std::string& first = segments[0].name;
  const std::string value = assignment.substr(equals + 1);
  Node* node = FindNode(&document->config, first);
  absl::Status set;
  if (node != nullptr && segments.size() == 1) {
    set = SetPlugin(value, node);
  } else if (node != nullptr) {
    set = Setter({segments.begin() + 1, segments.end()}, value).At(0, node->mutable_plugin());
  } else if (first == "train") {
    set = Setter(segments, value).At(0, &document->config);
  } else {
    const std::vector<std::string> names = FirstSegments(document->config);
    set = Wrong(absl::StrCat("no node or field \"", first, "\"; there are: ",
                             absl::StrJoin(names, ", "), DidYouMean(first, names)));
  }
  if (!set.ok()) return errors->Add(place, std::string(set.message()));
  document->where.EraseBelow(*path);
  document->where.Set(*path, place);
}

}  // namespace pipeline
