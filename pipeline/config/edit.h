// Changes to a config after parsing: merging of files, and --set.
#ifndef PIPELINE_CONFIG_EDIT_H_
#define PIPELINE_CONFIG_EDIT_H_

#include <string>

#include "pipeline/config/path.h"
#include "pipeline/diagnostics.h"
#include "pipeline/pipeline.pb.h"

namespace pipeline {

// A config with the place of everything in it.
struct Document {
  Config config;
  Locations where;
};

// Merges `later` over `into`. Nodes are matched by name: with the same plugin their options merge
// field by field, with another the node's plugin is replaced. A repeated field that `later` has
// replaces the whole of the earlier one. `include` is not merged.
void MergeDocument(const Document& later, Document* into);

// Merges and removes `sample_overrides`.
void MergeSampleOverrides(Document* document);

// Applies one --set: "PATH=VALUE". The first segment of PATH is a node, else a field of Config; in
// a node the rest addresses the plugin's options. An Any is entered without naming its type,
// [i] picks an element. VALUE is text format; a string may go unquoted; a message or Any is
// replaced whole, a repeated field by [...]. Mistakes go to `errors`.
void ApplySet(const std::string& assignment, Document* document, Diagnostics* errors);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_EDIT_H_
