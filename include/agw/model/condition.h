// `<amount> <= 100 && "company|leads" in groups`: what must hold beside a grant, or for an operation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agw/base/result.h"
#include "agw/base/time.h"

namespace agw {

/// What somebody who is asked about a call can say.
enum class Knowledge : std::uint8_t {
  known,
  absent,  ///< it isn't there, or isn't what the condition takes it for
  open     ///< nobody has said: a question about a call that isn't made
};

template <class T>
struct Answered {
  Knowledge knowledge = Knowledge::absent;
  T value{};

  static Answered known(T value) { return {Knowledge::known, std::move(value)}; }
  static Answered open() { return {Knowledge::open, T{}}; }
};

/// What a condition came to. Only `yes` lets anything pass.
enum class Truth : std::uint8_t {
  no,
  yes,
  absent,  ///< it hangs on something that the call doesn't have
  open     ///< it hangs on something that nobody has said
};

/// What can be asked about a call by a bare name.
enum class CallField : std::uint8_t {
  method,
  tool,
  operation,
  resource,
  user,
  agent,
  tenant,
  tier,
  classification,
  risk,
  acr,
  client_ip
};
/// As it is written: `class` for classification.
[[nodiscard]] std::string_view to_string(CallField field) noexcept;

/// Where an argument is found: as the placeholders of a resource template, `<filter/id>` → filter, id.
using ArgumentPath = std::vector<std::string>;

/// A variable of nginx that a condition names.
struct HostVariable {
  std::string name;
  std::intptr_t handle = 0;  ///< the host's own, from Condition::Compiling
};

/// One call as conditions ask about it. Views are valid as long as the object, and until nothing else is asked of it
/// that could end them: never.
class Circumstances {
 public:
  virtual ~Circumstances() = default;
  [[nodiscard]] virtual Answered<std::string_view> field(CallField field) const = 0;
  /// A string's characters or an integer's digits, as a resource template takes them.
  [[nodiscard]] virtual Answered<std::string_view> argument(const ArgumentPath& path) const = 0;
  /// A boolean.
  [[nodiscard]] virtual Answered<bool> flag(const ArgumentPath& path) const = 0;
  /// Whether it is there. Absent: it is there and none of those.
  [[nodiscard]] virtual Answered<bool> has(const ArgumentPath& path) const = 0;
  [[nodiscard]] virtual Answered<std::string_view> variable(const HostVariable& variable) const = 0;
  [[nodiscard]] virtual bool in_group(std::string_view group) const = 0;
  /// Since the user has shown who it is.
  [[nodiscard]] virtual Answered<Seconds> authentication_age() const = 0;
  [[nodiscard]] virtual Answered<WallTime> now() const = 0;
};

/// An expression, compiled and checked; immutable. A subset of CEL (docs/conditions.md): no loops, no patterns, nothing
/// that is searched for in more than a few kilobytes. Whoever it is asked for pays for at most `most_nodes` steps.
class Condition {
 public:
  static constexpr std::size_t longest = 2048;  ///< bytes of its text
  static constexpr std::size_t deepest = 16;  ///< of brackets and denials
  static constexpr std::size_t most_nodes = 128;
  static constexpr std::size_t longest_value = 8192;  ///< an argument or variable with more bytes counts as absent

  struct Compiling {
    /// Handle of a variable; null: the store's conditions have none.
    std::function<Result<std::intptr_t, std::string>(const std::string& name)> variable;
  };

  /// The message says what is wrong, where, and what to write instead, and begins with a verb.
  [[nodiscard]] static Result<std::shared_ptr<const Condition>, std::string> compile(std::string_view text,
                                                                                     const Compiling& compiling);
  /// The same without variables.
  [[nodiscard]] static Result<std::shared_ptr<const Condition>, std::string> compile(std::string_view text) {
    return compile(text, {});
  }

  ~Condition();
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  [[nodiscard]] Truth judge(const Circumstances& circumstances) const;

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  // What it asks for, each once.
  [[nodiscard]] const std::vector<ArgumentPath>& arguments() const noexcept;
  [[nodiscard]] const std::vector<CallField>& fields() const noexcept;
  [[nodiscard]] const std::vector<HostVariable>& variables() const noexcept;
  [[nodiscard]] bool asks_authentication_age() const noexcept;

 private:
  struct Program;
  Condition(std::string text, std::unique_ptr<const Program> program);
  friend class ConditionParser;
  friend class ConditionWalk;

  std::string text_;
  std::unique_ptr<const Program> program_;
};

using ConditionPtr = std::shared_ptr<const Condition>;

}  // namespace agw
