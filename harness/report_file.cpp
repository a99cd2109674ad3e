#include "harness/report_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "harness/error.h"

namespace tern::harness {
namespace {

// 0, or the errno of what stopped it.
int write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (count < 0 && errno == EAGAIN) {
      // The command may have made a stream that it shares with us non-blocking.
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (count < 0 && errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

ReportFile::ReportFile(std::string target, std::string option)
    : target_(std::move(target)), option_(std::move(option)) {
  if (target_.empty() || target_ == "-") {
    fd_ = target_.empty() ? STDERR_FILENO : STDOUT_FILENO;
    return;
  }
  own_ = true;
  struct stat there {};
  const bool special = ::stat(target_.c_str(), &there) == 0 && !S_ISREG(there.st_mode);
  if (special) {
    fd_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    temporary_ = target_ + ".tmp-" + std::to_string(::getpid());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  }
  if (fd_ >= 0) return;
  temporary_.clear();
  fail(errno);
}

ReportFile::~ReportFile() {
  if (own_ && fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void ReportFile::fail(int error) const {
  const std::string where = target_.empty() ? "stderr" : target_ == "-" ? "stdout" : target_;
  throw Error(fmt::format("{}: could not write to {}: {}", option_, where, std::strerror(error)));
}

void ReportFile::write(const std::string& text) {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;  // a reader that went away is an error to report, not an end
  ::sigaction(SIGPIPE, &ignore, &before);
  int error = write_all(fd_, text);
  ::sigaction(SIGPIPE, &before, nullptr);
  // Some file systems report a full disk only here.
  if (error == 0 && own_ && ::close(std::exchange(fd_, -1)) != 0) error = errno;
  if (error == 0 && !temporary_.empty()) {
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
    temporary_.clear();
  }
  if (error != 0) fail(error);
}

}  // namespace tern::harness
