// The commands and options of agwctl, defined once: for the parser, the completions and the manual page.
#pragma once

#include <functional>
#include <memory>
#include <ostream>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's own
class App;
}

namespace agw::agwctl {

class CommandLine {
 public:
  /// Commands print to `out`.
  explicit CommandLine(std::ostream& out);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  /// Parses and runs; throws Failure. The exit status.
  int run(int argc, const char* const* argv);
  [[nodiscard]] const CLI::App& app() const noexcept;

 private:
  struct Definition;
  std::unique_ptr<Definition> definition_;
};

}  // namespace agw::agwctl
