#include "apache2/response/ClientPace.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace Passenger {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

/** How long an application waits for its client before a file is used, plus 10 ms for each MB that
 *  the client has taken. A client that reads 100 MB a second needs no file. Also how long an
 *  application waits for a filter of httpd, and the filter then for a reply. */
constexpr milliseconds PATIENCE{20};
constexpr nanoseconds PATIENCE_FOR_A_BYTE{10};
/** A filter that limits the rate gets a piece late by this part of its time at most. */
constexpr int PART_FOR_REPLIES = 8;
/** Over HTTP/2, more bytes are kept until the application has finished, or has sent nothing for
 *  QUIET, in one piece or in several. */
constexpr std::uint64_t LITTLE = 16 * 1024;
constexpr milliseconds QUIET{100};
/** httpd's filters save up no more of the application's silence than PATIENCE, and owe it no more
 *  than this. */
constexpr milliseconds MOST_OWED{1000};

}  // namespace

ClientPace::ClientPace(int socket, milliseconds timeout, int carrier) noexcept
    : socket_(socket), carrier_(carrier), timeout_(timeout), credit_(-QUIET) {}

void ClientPace::beginTurn(bool pause) noexcept {
    owesFlush_ = owesFlush_ || pause;
    quiet_ = quiet_ && lags_;
    mayHavePiece_ = std::exchange(roomCame_, false) || quiet_ || taken_ == 0;
    lagged_ = std::exchange(lags_, false);
}

bool ClientPace::takes(bool sent, std::uint64_t kept) noexcept {
    const bool takes = hasSocket() ? sent && !repliesComeFirst() : finished_ || kept <= LITTLE || streamTakes();
    if (!takes) {
        owesFlush_ = owesFlush_ || hasSocket();
        lag();
    }
    if (sent && lagged_) {
        lastTaken_ = Clock::now();
    }
    return takes;
}

bool ClientPace::streamTakes() noexcept {
    return std::exchange(mayHavePiece_, false) || (credit_ > Clock::duration(0) && carrierHasRoom());
}

bool ClientPace::carrierHasRoom() const noexcept {
    return carrier_ < 0 || hasRoom(carrier_, milliseconds(0));
}

void ClientPace::note(nanoseconds inFilters) noexcept {
    if (!hasSocket()) {
        credit_ = std::max<Clock::duration>(credit_ - inFilters, -MOST_OWED);
    } else if (inFilters > PATIENCE) {
        repliesUntil_ = Clock::now() + inFilters / PART_FOR_REPLIES;
    }
}

bool ClientPace::repliesComeFirst() const noexcept {
    return !finished_ && Clock::now() < repliesUntil_;
}

bool ClientPace::takesFlush(bool pause) noexcept {
    if (lags_ || !owesFlush_ || !(pause || lagged_)) {
        return false;
    }
    if (hasSocket() && !hasRoom(socket_, milliseconds(0))) {
        lag();
        return false;
    }
    owesFlush_ = false;
    return true;
}

void ClientPace::lag() noexcept {
    lags_ = true;
    if (!lagged_) {
        lastTaken_ = Clock::now();
    }
}

bool ClientPace::isStuck() const noexcept {
    return hasSocket() && untilStuck() == milliseconds(0) && !hasRoom(socket_, milliseconds(0));
}

bool ClientPace::awaitReply(ReplySource &session, bool full, bool mayBeginFile) {
    if (!hasSocket()) {
        return awaitReplyOfStream(session, full);
    }
    if (repliesComeFirst()) {
        return awaitReplyBeforePiece(session, full);
    }
    const milliseconds left = untilStuck();
    if (full) {
        waitForClient(session, left);
        return false;
    }
    if (mayBeginFile && patienceLeft() > milliseconds(0)) {
        waitForClient(session, std::min(left, patienceLeft()));
        return false;
    }
    return session.awaitReply(socket_, ReplySource::Awaited::ROOM, left).reply;
}

bool ClientPace::awaitReplyBeforePiece(ReplySource &session, bool full) {
    const bool reply = !full && session.awaitReply(-1, ReplySource::Awaited::ROOM, PATIENCE).reply;
    if (!reply) {
        endReplies();
    }
    return reply;
}

/** The first wait tells whether the application pauses. Until the next reply, httpd then gets one
 *  piece after the other. Without room for it, a piece would wait for the client, and the
 *  application after its pause, too. */
bool ClientPace::awaitReplyOfStream(ReplySource &session, bool full) {
    if (full || session.replyWaiting()) {
        quiet_ = full;
        return !full;
    }
    if (quiet_ && carrierHasRoom()) {
        return false;
    }
    const bool mayHaveMore = credit_ > Clock::duration(0);
    const milliseconds timeout =
        mayHaveMore ? QUIET : std::min(std::chrono::floor<milliseconds>(-credit_) + milliseconds(1), QUIET);
    const Clock::time_point before = Clock::now();
    const ReplySource::Waited found =
        session.awaitReply(mayHaveMore ? carrier_ : -1, ReplySource::Awaited::ROOM, timeout);
    credit_ = std::min<Clock::duration>(credit_ + (Clock::now() - before), PATIENCE);
    roomCame_ = found.socket;
    quiet_ = !found.reply && !found.socket && carrierHasRoom();
    return found.reply;
}

bool ClientPace::hasRoom(int socket, milliseconds timeout) noexcept {
    pollfd entry{socket, POLLOUT, 0};
    return poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

/** Waits for the client, with the application. */
void ClientPace::waitForClient(ReplySource &session, milliseconds timeout) {
    const Clock::time_point before = Clock::now();
    hasRoom(socket_, timeout);
    waited_ += Clock::now() - before;
    session.excuse(Clock::now() - before);
}

milliseconds ClientPace::patienceLeft() const noexcept {
    const auto all = PATIENCE + PATIENCE_FOR_A_BYTE * static_cast<std::int64_t>(taken_);
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(all - waited_));
}

milliseconds ClientPace::untilStuck() const noexcept {
    return std::max(milliseconds(0), timeout_ - std::chrono::duration_cast<milliseconds>(Clock::now() - lastTaken_));
}

}  // namespace Passenger
