// One request's state between nginx's calls.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "agw/gateway/gateway.h"
#include "agw/io/loop.h"

#include "../adapters/loop.h"
#include "../nginx.h"
#include "../worker.h"
#include "body_memory.h"
#include "capture.h"
#include "certificate.h"
#include "odd_fields.h"
#include "rewriting.h"
#include "view.h"

namespace agw::nginx {

/// Completes the audit events of all calls that are under way in this process, as aborted.
void finish_open_calls() noexcept;

/// Judges every stream that is open in this process as of now, and ends those that must end.
void look_at_streams() noexcept;

/// Lives in the request's pool, and dies with it: then the course is cancelled wherever it waits.
///
/// nginx clears every module's context on internal redirects; the pool's cleanup list still knows
/// it (find). A decision stands only for the location, method, URI and arguments it was made for.
class RequestContext final : public gateway::Request {
 public:
  /// The request's own, made if it has none; null without memory.
  [[nodiscard]] static RequestContext* obtain(ngx_http_request_t* r) noexcept;
  /// Null if there is none.
  [[nodiscard]] static RequestContext* find(ngx_http_request_t* r) noexcept;

  explicit RequestContext(ngx_http_request_t* r);
  ~RequestContext() override;

  // What the course sees.
  [[nodiscard]] std::string_view id() const noexcept override { return {id_.data(), id_.size()}; }
  [[nodiscard]] std::string_view method() const noexcept override { return view(r_->method_name); }
  [[nodiscard]] std::string_view raw_path() const noexcept override;
  [[nodiscard]] std::string_view path() const noexcept override { return view(r_->uri); }
  [[nodiscard]] std::string_view query() const noexcept override { return view(r_->args); }
  [[nodiscard]] std::string_view client_ip() const noexcept override { return view(r_->connection->addr_text); }
  [[nodiscard]] const Headers& headers() const noexcept override { return headers_; }
  [[nodiscard]] std::optional<std::string_view> variable(std::intptr_t handle) const override;
  [[nodiscard]] const identity::ClientCertificate* client_certificate() const override { return certificate_of(r_); }
  [[nodiscard]] ValueTask<Result<std::string_view, Reason>> body(std::size_t max_bytes) override;

  /// Begins the course for the location where the request stands; it may end at once.
  void start(Worker& worker, const gateway::Location& location);
  /// Begins the answer to what the caller may do at the resource that these serve; its outcome is an answer.
  void start_permissions(Worker& worker, const std::vector<const gateway::Location*>& locations);
  /// Whether a course is under way for the place where the request stands, ended or not.
  [[nodiscard]] bool started_here() const noexcept;
  [[nodiscard]] bool decided() const noexcept { return outcome_.has_value(); }
  /// Whether the request, as it stands now, has an allow of its own.
  [[nodiscard]] bool allowed_here() const noexcept;
  /// The refusal of a request that came here without a decision for this place.
  [[nodiscard]] gateway::Answer refuse_here(Worker& worker, const gateway::Location& location);
  /// nginx goes on with other things until the course ends; then phases run again.
  void suspend() noexcept;
  [[nodiscard]] bool suspended() const noexcept { return suspended_; }

  [[nodiscard]] gateway::Call& call() noexcept { return call_; }
  /// Valid once decided().
  [[nodiscard]] Result<gateway::Forward, gateway::Answer>& outcome() noexcept { return *outcome_; }
  [[nodiscard]] ngx_http_request_t* request() const noexcept { return r_; }

  /// Completes the audit event of the call that was begun, once.
  void finish(audit::Completion completion) noexcept;
  /// The gateway's own time so far.
  void stop_watch() noexcept;

  /// From here on it goes on only as long as its caller may: looked at by look_at_streams().
  void watch_stream() noexcept { watched_ = call_.enforced ? Watched::stream : Watched::no; }
  [[nodiscard]] bool is_watched() const noexcept { return watched_ != Watched::no; }
  /// Judges it as of now, and ends it where it must end: this object may be gone afterwards.
  void look(Worker& worker, std::size_t& budget) noexcept;

  /// Where the request's head ends, as it was when the course began.
  [[nodiscard]] const HeadEnd& head_end() const noexcept { return head_end_; }

  /// The gateway itself gives the response: its status is not the backend's.
  bool answered = false;
  /// A call that is sent once has the proxy's settings to itself. Null without memory; the pool's.
  [[nodiscard]] bool make_upstream_conf() noexcept {
    upstream_conf = static_cast<ngx_http_upstream_conf_t*>(ngx_palloc(r_->pool, sizeof(ngx_http_upstream_conf_t)));
    return upstream_conf != nullptr;
  }
  ngx_http_upstream_conf_t* upstream_conf = nullptr;
  /// The backend's answer to a call whose repeats are to get it.
  std::optional<Capture> capture;
  /// How the backend's answer changes on its way.
  std::optional<Rewriting> rewriting;
  /// The body that takes the place of the backend's.
  std::optional<std::string> replacement;
  bool replacement_sent = false;
  bool last_passed = false;  ///< the response's last buffer has come by

 private:
  /// Brings nginx back to the request, from a turn of the loop.
  class Wake final : public Posted {
   public:
    explicit Wake(RequestContext& owner) noexcept : owner_(owner) {}

   private:
    void run() noexcept override;
    RequestContext& owner_;
  };
  class BodyWait;
  /// What it is that goes on only as long as its caller may.
  enum class Watched : std::uint8_t { no, call, stream };
  using Outcome = Result<gateway::Forward, gateway::Answer>;

  friend void finish_open_calls() noexcept;
  friend void look_at_streams() noexcept;

  [[nodiscard]] static RequestContext* first_open() noexcept;
  void end_running(Worker& worker, Reason reason) noexcept;
  [[nodiscard]] std::optional<Reason> judge_anew(Worker& worker);
  static Task<std::optional<Reason>> await_look(ValueTask<std::optional<Reason>> step);
  void begin_call();
  void link() noexcept;
  void unlink() noexcept;

  static Task<void> drive(RequestContext& self, Worker& worker, const gateway::Location& location);
  void crashed(Worker& worker, const gateway::Location& location, const std::exception_ptr& error) noexcept;
  static Task<void> drive_permissions(RequestContext& self, Worker& worker,
                                      const std::vector<const gateway::Location*>& locations);
  void end_course(Worker& worker, const gateway::Location& location, const std::exception_ptr& crash) noexcept;
  Task<Result<std::string_view, Reason>> await_body(std::size_t max_bytes);
  Result<std::string_view, Reason> take_body(std::size_t max_bytes);
  Result<std::string_view, Reason> gather_body(std::size_t max_bytes);
  u_char* room_for_body(std::size_t size) noexcept;
  static void on_body(ngx_http_request_t* r) noexcept;

  ngx_http_request_t* r_;
  std::array<char, 32> id_;
  RequestHeaders headers_;
  gateway::Call call_;
  std::optional<Outcome> outcome_;
  // What the decision belongs to.
  const void* decided_location_ = nullptr;
  ngx_uint_t decided_method_ = 0;
  std::string decided_uri_;
  std::string decided_args_;
  HeadEnd head_end_;

  std::optional<std::string_view> gathered_body_;  ///< when nginx has it in more than one piece
  BodyMemory::Lease gathered_in_;                  ///< the pool, if it is small
  bool body_read_ = false;
  Completion<bool>* body_waiter_ = nullptr;
  bool suspended_ = false;
  bool finished_ = true;
  Watched watched_ = Watched::no;
  bool cut_ = false;  ///< a call ended before its backend had answered
  // The list of open calls of this process.
  RequestContext* previous_open_ = nullptr;
  RequestContext* next_open_ = nullptr;
  std::chrono::steady_clock::time_point started_{};
  std::int64_t overhead_us_ = 0;
  std::optional<NginxLoop::Hold> hold_;
  Wake wake_{*this};
  Task<std::optional<Reason>> look_{nullptr};  ///< under way where somebody has to be asked
  Task<void> course_;  ///< last: destroyed first
};

}  // namespace agw::nginx
