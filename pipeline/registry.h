// Registries of plugins. The path of a source file is the plugin's name everywhere: class
// losses::SmoothL1 in losses/smooth_l1.cc, message losses.SmoothL1Options in
// losses/smooth_l1.proto, [losses/SmoothL1] { ... } in a config. The options' message type is the
// only key.
//
// A folder's interface header declares its registry once:
//   using Losses = pipeline::Registry<Loss>;
// and every plugin ends with one line:
//   REGISTER_PLUGIN(Losses, SmoothL1);
// which asks for a constructor SmoothL1(const SmoothL1Options&, Args...) or, where options can
// contradict each other or data must be read, for
//   static absl::StatusOr<std::unique_ptr<SmoothL1>> Create(const SmoothL1Options&, Args...).
#ifndef PIPELINE_REGISTRY_H_
#define PIPELINE_REGISTRY_H_

#include <google/protobuf/any.pb.h>
#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace pipeline {

// The name of a plugin in its three spellings.
struct PluginName {
  std::string folder;  // "losses"
  std::string name;    // "SmoothL1", as in a config
  std::string file;    // "smooth_l1", as in BUILD and in reports

  std::string Url() const { return folder + "/" + name; }
  bool operator<(const PluginName& other) const { return Url() < other.Url(); }
};

// "SmoothL1" -> "smooth_l1", "Vgg16" -> "vgg16".
std::string FileNameOf(const std::string& class_name);

// Every plugin of the process, whatever its interface.
class PluginIndex {
 public:
  using DescriptorFunction = const google::protobuf::Descriptor* (*)();

  static PluginIndex& Get();

  // Called before main(), so the descriptor is asked for later.
  void Add(DescriptorFunction options) { added_.push_back(options); }

  // Sorted by folder and name.
  std::vector<PluginName> All() const;
  // Sorted; of one folder.
  std::vector<PluginName> In(const std::string& folder) const;
  // The options' type of "losses/SmoothL1"; nullptr where there is no such plugin.
  const google::protobuf::Descriptor* Find(const std::string& url) const;

 private:
  // By Url(). Rebuilt when plugins were added since.
  const std::map<std::string, std::pair<PluginName, const google::protobuf::Descriptor*>>& ByUrl()
      const;

  std::vector<DescriptorFunction> added_;
  mutable std::map<std::string, std::pair<PluginName, const google::protobuf::Descriptor*>> by_url_;
  mutable size_t indexed_ = 0;
};

// The plugin that an expanded Any of a config names; the name is empty where the Any is.
PluginName NameOf(const google::protobuf::Any& plugin);

// The options inside an Any; nullptr where the Any is empty or its plugin unknown.
std::unique_ptr<google::protobuf::Message> UnpackOptions(const google::protobuf::Any& plugin);

// "dice", or "focal+dice" for a plugin made of others of its folder, in the order of their fields.
std::string NameOfParts(const google::protobuf::Any& plugin);

// An Any that names a plugin and holds `options`.
google::protobuf::Any PackOptions(const google::protobuf::Message& options);

// A user's mistake in one option; the location of that option is put before the message.
absl::Status OptionError(const std::string& option, const std::string& message);
// The same mistake seen from the plugin that holds the plugin which made it, in its option `outer`.
// Other statuses pass unchanged.
absl::Status Within(const std::string& outer, const absl::Status& status);
// The option that such a status speaks of; empty for other statuses.
std::string OptionOf(const absl::Status& status);

namespace internal {

template <class Plugin, class Options, class Enabled, class... Args>
struct HasCreate : std::false_type {};
template <class Plugin, class Options, class... Args>
struct HasCreate<
    Plugin, Options,
    std::void_t<decltype(Plugin::Create(std::declval<const Options&>(), std::declval<Args>()...))>,
    Args...> : std::true_type {};

}  // namespace internal

// Makes objects of one interface from the Any that names a plugin and holds its options.
template <class Interface, class... Args>
class Registry {
 public:
  using Made = absl::StatusOr<std::unique_ptr<Interface>>;

  static Registry& Get() {
    static auto* registry = new Registry();
    return *registry;
  }

  template <class Plugin, class Options>
  bool Add() {
    PluginIndex::Get().Add(&Options::descriptor);
    factories_.emplace_back(
        &Options::descriptor, [](const google::protobuf::Message& options, Args... args) -> Made {
          return Make<Plugin>(static_cast<const Options&>(options), std::forward<Args>(args)...);
        });
    return true;
  }

  // Errors of the plugin pass through; an Any that names nothing of this registry is
  // INVALID_ARGUMENT.
  Made Create(const google::protobuf::Any& plugin, Args... args) const {
    const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
    if (options != nullptr) {
      for (const auto& [descriptor, factory] : factories_) {
        if (descriptor() == options->GetDescriptor()) {
          return factory(*options, std::forward<Args>(args)...);
        }
      }
    }
    return absl::InvalidArgumentError(
        absl::StrCat("no plugin of this kind: \"", plugin.type_url(), "\""));
  }

 private:
  template <class Plugin, class Options>
  static Made Make(const Options& options, Args... args) {
    if constexpr (internal::HasCreate<Plugin, Options, void, Args...>::value) {
      auto made = Plugin::Create(options, std::forward<Args>(args)...);
      if (!made.ok()) return made.status();
      return std::unique_ptr<Interface>(*std::move(made));
    } else {
      return std::unique_ptr<Interface>(
          std::make_unique<Plugin>(options, std::forward<Args>(args)...));
    }
  }

  std::vector<
      std::pair<PluginIndex::DescriptorFunction,
                std::function<Made(const google::protobuf::Message& options, Args... args)>>>
      factories_;
};

#define REGISTER_PLUGIN(Kind, Class)                                                           \
  namespace {                                                                                  \
  [[maybe_unused]] const bool k##Class##Registered = Kind::Get().Add<Class, Class##Options>(); \
  }                                                                                            \
  static_assert(true, "")

}  // namespace pipeline

#endif  // PIPELINE_REGISTRY_H_
