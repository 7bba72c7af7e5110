// A world around the course of a call, built and driven by the lines of a text; what must hold is claimed after each
// call.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"
#include "support/gateway_world.h"
#include "support/handed_out.h"

namespace agw::fuzz {

/// What became of the calls of a text.
struct Tally {
  std::map<std::string, int> calls;  ///< `mcp allowed`, `rest scope_missing`, `mcp.prompts.get allowed` …
};

/// One line is one step: its first byte says what, the rest how. docs are beside each step in `Course::step`.
class Course {
 public:
  Course(std::string_view input, Tally& tally);
  ~Course();
  Course(const Course&) = delete;
  Course& operator=(const Course&) = delete;
  /// All lines; then the audit log as a whole.
  void run();

 private:
  /// One call under way.
  struct Run {
    test::FakeRequest request;
    gateway::Call call;
    std::optional<Task<Result<gateway::Forward, gateway::Answer>>> task;
    std::optional<Result<gateway::Forward, gateway::Answer>> outcome;  ///< none: abandoned
  };
  /// What a call's client does once it goes on.
  enum class Stay : std::uint8_t { until_answered, as_listener };

  void step(char what, std::string_view how);
  void configure(char what, std::string_view how);
  void disturb(char what, std::string_view how);
  void speak(char what, std::string_view how);
  void make_rest();
  void set_policy(std::string_view json);
  void authorize(std::string_view claims, bool by_stranger);
  void answer_exchange(std::string_view body, int status);
  void call(unsigned times, std::optional<Milliseconds> patience, Stay stay = Stay::until_answered);
  void judge(Run& run, WallTime began);
  void judge_answer(const Run& run);
  void judge_allow(const Run& run, WallTime began) const;
  void judge_asked(const Run& run, const Expected& expected) const;
  void judge_forward(const Run& run) const;
  void judge_token(const Run& run, WallTime began) const;
  [[nodiscard]] int receive(Run& run);
  void judge_received(const Run& run, std::string_view answer);
  void judge_list(const Run& run, const Expected& expected, const json_t* result) const;
  void end(Run& run, int status);
  void look_at_listeners();
  void end_listeners();
  void keep_secret(std::string_view token);
  void expect_no_secret(std::string_view output, const char* where) const;
  void count_events();

  std::string_view input_;
  Tally& tally_;
  test::GatewayWorld world_;
  std::map<std::string, std::string> good_;   ///< tokens of the issuer's, by their bytes: the claims
  std::set<std::string> minted_;              ///< tokens that the token endpoint has answered
  std::vector<std::string> secrets_;          ///< what no output may hold
  WallTime facts_at_{};                       ///< when the store answered last
  int backend_status_ = 200;
  std::string answer_type_ = "application/json";
  std::string answer_;                        ///< what the backend says
  bool opens_session_ = false;                ///< it gives the next caller one
  HandedOut handed_out_;
  std::string brought_;                       ///< the state that the next message brings back
  std::vector<std::unique_ptr<Run>> listeners_;
  std::size_t records_ = 0;                   ///< events that were begun
};

}  // namespace agw::fuzz
