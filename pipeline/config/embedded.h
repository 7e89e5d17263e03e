// What the build knows about a folder of plugins and the linker could lose: its list of names, and
// the comments of its .proto files. The macro `plugins` of plugin.bzl writes the only callers.
#ifndef PIPELINE_CONFIG_EMBEDDED_H_
#define PIPELINE_CONFIG_EMBEDDED_H_

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

namespace pipeline {

class EmbeddedFolder {
 public:
  // `bytes` is a serialized FileDescriptorSet with source info and must outlive the process.
  EmbeddedFolder(const char* folder, std::initializer_list<const char*> names,
                 const unsigned char* bytes, size_t size);

  // Every folder linked into this process.
  static const std::vector<EmbeddedFolder>& All();

  const std::string& folder() const { return folder_; }
  // File names without extension, as BUILD lists them.
  const std::vector<std::string>& names() const { return names_; }
  const unsigned char* bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  std::string folder_;
  std::vector<std::string> names_;
  const unsigned char* bytes_;
  size_t size_;
};

// The comment above a message or field in its .proto, lines joined by blanks; empty where the
// descriptors of that file are not embedded (a plugin loaded from outside). `full_name` as in
// "losses.FocalOptions.gamma".
std::string CommentOf(const std::string& full_name);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_EMBEDDED_H_
