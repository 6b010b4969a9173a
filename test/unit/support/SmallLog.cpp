#include "support/SmallLog.h"

#include <cppunit/TestAssert.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/Poll.h"

namespace Passenger {

namespace {

/** Several pages: a pipe of one page counts as full with a single byte. */
constexpr int ROOM = 16384;

}  // namespace

SmallLog::SmallLog() : pipe_(makePipe()), standardError_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    CPPUNIT_ASSERT(::fcntl(pipe_.second.get(), F_SETPIPE_SZ, ROOM) > 0);
    CPPUNIT_ASSERT(::dup2(pipe_.second.get(), STDERR_FILENO) >= 0);
}

SmallLog::~SmallLog() {
    ::dup2(standardError_.get(), STDERR_FILENO);
}

void SmallLog::fill() {
    const std::string filling(static_cast<std::size_t>(::fcntl(pipe_.second.get(), F_GETPIPE_SZ)), FILLING);
    CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(filling.size()),
                         ::write(pipe_.second.get(), filling.data(), filling.size()));
}

std::string SmallLog::readTo(const std::string &end) {
    std::string text;
    std::size_t searched = 0;
    while (text.find(end, searched) == std::string::npos) {
        searched = text.size() - std::min(text.size(), end.size());
        CPPUNIT_ASSERT_MESSAGE("missing: " + end, readSome(text, std::chrono::seconds(60)));
    }
    return text;
}

std::string SmallLog::readNow() {
    std::string text;
    while (readSome(text, std::chrono::milliseconds(0))) {
    }
    return text;
}

bool SmallLog::readSome(std::string &text, std::chrono::milliseconds patience) {
    if (!pollUntil(pipe_.first.get(), POLLIN, deadlineIn(patience))) {
        return false;
    }
    std::array<char, 65536> buffer;
    const ssize_t size = ::read(pipe_.first.get(), buffer.data(), buffer.size());
    CPPUNIT_ASSERT(size > 0);
    text.append(buffer.data(), static_cast<std::size_t>(size));
    return true;
}

}  // namespace Passenger
