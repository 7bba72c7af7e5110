// What shells and people read about the commands, made of their definitions.
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own
class App;
}

namespace agw::agwctl {

[[nodiscard]] std::string bash_completion(const CLI::App& app);
[[nodiscard]] std::string zsh_completion(const CLI::App& app);
/// agwctl(1), in the man macros of troff.
[[nodiscard]] std::string manual_page(const CLI::App& app);

}  // namespace agw::agwctl
