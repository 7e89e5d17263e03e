// Keeps the embedded descriptor sets and answers with the comments in them.
#include "pipeline/config/embedded.h"

#include <google/protobuf/descriptor.pb.h>

#include <map>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace pipeline {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FileDescriptorProto;

std::vector<EmbeddedFolder>& Folders() {
  static auto* folders = new std::vector<EmbeddedFolder>();
  return *folders;
}

// Comments of one file by full name. A comment's place is a path of field numbers and indices in
// FileDescriptorProto (descriptor.proto, SourceCodeInfo.Location).
class FileComments {
 public:
  FileComments(const FileDescriptorProto& file, std::map<std::string, std::string>* out)
      : out_(out) {
    for (const auto& location : file.source_code_info().location()) {
      const std::string& text = location.has_leading_comments() ? location.leading_comments()
                                                                : location.trailing_comments();
      if (text.empty()) continue;
      by_path_[{location.path().begin(), location.path().end()}] =
          absl::StrJoin(absl::StrSplit(text, absl::ByAnyChar("\n "), absl::SkipEmpty()), " ");
    }
    for (int i = 0; i < file.message_type_size(); ++i) {
      Message(file.message_type(i), file.package(),
              {FileDescriptorProto::kMessageTypeFieldNumber, i});
    }
  }

 private:
  using Path = std::vector<int>;

  static Path Below(Path path, int field, int index) {
    path.push_back(field);
    path.push_back(index);
    return path;
  }

  void Keep(const std::string& name, const Path& path) {
    const auto found = by_path_.find(path);
    if (found != by_path_.end()) (*out_)[name] = found->second;
  }

  void Message(const DescriptorProto& message, const std::string& scope, const Path& path) {
    const std::string name = scope + "." + message.name();
    Keep(name, path);
    for (int i = 0; i < message.field_size(); ++i) {
      Keep(name + "." + message.field(i).name(),
           Below(path, DescriptorProto::kFieldFieldNumber, i));
    }
    for (int i = 0; i < message.nested_type_size(); ++i) {
      Message(message.nested_type(i), name,
              Below(path, DescriptorProto::kNestedTypeFieldNumber, i));
    }
    for (int i = 0; i < message.enum_type_size(); ++i) {
      const EnumDescriptorProto& type = message.enum_type(i);
      const Path type_path = Below(path, DescriptorProto::kEnumTypeFieldNumber, i);
      for (int j = 0; j < type.value_size(); ++j) {
        Keep(name + "." + type.name() + "." + type.value(j).name(),
             Below(type_path, EnumDescriptorProto::kValueFieldNumber, j));
      }
    }
  }

  std::map<Path, std::string> by_path_;
  std::map<std::string, std::string>* out_;
};

std::map<std::string, std::string> AllComments() {
  std::map<std::string, std::string> comments;
  for (const EmbeddedFolder& folder : Folders()) {
    google::protobuf::FileDescriptorSet files;
    files.ParseFromArray(folder.bytes(), static_cast<int>(folder.size()));
    for (const auto& file : files.file()) FileComments(file, &comments);
  }
  return comments;
}

}  // namespace

EmbeddedFolder::EmbeddedFolder(const char* folder, std::initializer_list<const char*> names,
                               const unsigned char* bytes, size_t size)
    : folder_(folder), names_(names.begin(), names.end()), bytes_(bytes), size_(size) {
  Folders().push_back(*this);
}

const std::vector<EmbeddedFolder>& EmbeddedFolder::All() { return Folders(); }

std::string CommentOf(const std::string& full_name) {
  static const auto* comments = new std::map<std::string, std::string>(AllComments());
  const auto found = comments->find(full_name);
  return found == comments->end() ? "" : found->second;
}

}  // namespace pipeline
