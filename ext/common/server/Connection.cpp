#include "server/Connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>

#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "base/SystemClock.h"
#include "exchange/QueueHost.h"
#include "io/ReportFrame.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/**
 * A child waits for the answer to each question, but may send many notices. A child that sends more
 * frames at once loses its connection, since the loop has to serve others.
 */
constexpr unsigned MAX_FRAMES_AT_ONCE = 4096;

/** Longer texts of a child are cut in the log. In bytes. */
constexpr std::size_t MAX_LOGGED = 500;

constexpr std::uint64_t MOST_MILLISECONDS = 1'000'000'000'000;

int socketOption(const FileDescriptor &fd, int option) {
    int value = -1;
    socklen_t length = sizeof(value);
    return getsockopt(fd.get(), SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/** A child may send any descriptor as a reply channel. */
bool isReplyChannel(const FileDescriptor &fd) {
    return socketOption(fd, SO_DOMAIN) == AF_UNIX && socketOption(fd, SO_TYPE) == SOCK_SEQPACKET;
}

}  // namespace

Connection::Connection(ConnectionContext &context, FileDescriptor socket, std::function<void(Connection *)> closed)
    : context_(context), socket_(std::move(socket)), closed_(std::move(closed)) {
    watcher_ = std::make_unique<DescriptorWatcher>(context.loop, socket_.descriptor().get(),
                                                   DescriptorWatcher::READABLE, [this](int) {
                                                       context_.loop.assertOnLoop();
                                                       readable();
                                                   });
}

Connection::~Connection() {
    context_.loop.assertOnLoop();
    if (childSlot_) {
        context_.children.closed(pid_, *childSlot_);
    }
}

void Connection::readable() {
    try {
        for (unsigned count = 0; std::optional<Frame> frame = socket_.tryReceive(); count++) {
            if (count == MAX_FRAMES_AT_ONCE) {
                throw ProtocolException("the child sent too many frames at once");
            }
            handle(std::move(*frame));
        }
        return;
    } catch (const EndOfFileException &) {
        // The child has closed the connection or ended.
    } catch (const ChildLimitReached &reached) {
        complainOfLimit(reached, "the connection is closed");
    } catch (const SystemException &error) {
        if (error.error() == EMFILE) {
            endInShortage();
        } else {
            complain(error);
        }
    } catch (const std::exception &error) {
        complain(error);
    }
    // A copy: the callback destroys this object.
    const auto closed = closed_;
    closed(this);
}

void Connection::complain(const std::exception &error) {
    if (!lostContact(error)) {
        context_.counts.connectionsDropped++;
    }
    if (context_.complaints.allows(SystemClock::instance().now())) {
        Log::warn("event=connection.dropped pid={} error=\"{}\"", pid_,
                  std::string_view(error.what()).substr(0, MAX_LOGGED));
    }
}

void Connection::complainOfLimit(const ChildLimitReached &reached, const char *consequence) {
    switch (reached.limit()) {
        case ChildLimitReached::Limit::CONNECTIONS: context_.counts.childConnections++; break;
        case ChildLimitReached::Limit::CHANNELS: context_.counts.childChannels++; break;
        case ChildLimitReached::Limit::APPS: context_.counts.childApps++; break;
        case ChildLimitReached::Limit::ALL: context_.counts.allChildren++; break;
    }
    if (context_.limitLines.allows(SystemClock::instance().now())) {
        Log::warn("event=child.limit_reached pid={} directive={} reason=\"{}\" consequence=\"{}\"", pid_,
                  reached.directive(), reached.what(), consequence);
    }
}

/** The child waits for the answer to a frame whose descriptors are lost, so it gets one. */
void Connection::endInShortage() noexcept {
    try {
        refuseForShortage("a connection of a child of httpd ended");
    } catch (const std::exception &) {
        // The child reads no answers. It finds the end of the connection.
    }
}

void Connection::handle(Frame frame) {
    const bool carries = frame.type == FrameType::HELLO || frame.type == FrameType::REGISTER;
    if (frame.descriptors.size() != (carries ? 1 : 0)) {
        throw ProtocolException("a frame of type " + std::to_string(static_cast<unsigned>(frame.type)) + " came with " +
                                std::to_string(frame.descriptors.size()) + " descriptors");
    }
    switch (frame.type) {
        case FrameType::HELLO: hello(std::move(frame)); return;
        case FrameType::ATTACH: attach(frame); return;
        case FrameType::OPTIONS: takeOptions(frame); return;
        case FrameType::REGISTER: registerChannel(std::move(frame)); return;
        case FrameType::UNREGISTER: unregister(frame); return;
        case FrameType::CONTROL: giveControl(); return;
        case FrameType::QUERY: query(frame); return;
        case FrameType::GET_REPORT: report(frame); return;
        case FrameType::OVERRAN: takeOverrun(frame); return;
        case FrameType::SLOW: takeSlow(frame); return;
        case FrameType::CHECK_RESTART: checkRestart(frame); return;
        default:
            throw ProtocolException("a frame of type " + std::to_string(static_cast<unsigned>(frame.type)) +
                                    " is not for the pool process");
    }
}

void Connection::hello(Frame frame) {
    if (frame.number(0) != LAYOUT_VERSION) {
        refuse(500, "this agent speaks version " + std::to_string(LAYOUT_VERSION) + " of the protocol, not " +
                        frame.field(0));
        return;
    }
    if (childSlot_) {
        throw ProtocolException("the child sent a second HELLO");
    }
    pid_ = frame.sender.pid;
    FileDescriptor inFlightTable = frame.takeDescriptor(0);
    if (context_.reserve.has(inFlightTable.get())) {
        context_.reserve.fallShort(SystemClock::instance().now(), "only new children of httpd get further descriptors");
    }
    const std::uint32_t slot = context_.children.introduce(pid_, std::move(inFlightTable));
    context_.children.opened(pid_);
    childSlot_ = slot;
    const FileDescriptor table = context_.pool.channels().generations().memory().readOnlyDescriptor();
    answer(Frame::of(FrameType::WELCOME, LAYOUT_VERSION, slot, context_.agentId),
           {table.get(), context_.wakeSocket.get()});
}

std::uint32_t Connection::child() const {
    if (!childSlot_) {
        throw ProtocolException("the child sent a frame before HELLO");
    }
    // The loop may handle a child's end before the child's last frames.
    if (!context_.children.has(pid_, *childSlot_)) {
        throw EndOfFileException("the child has ended");
    }
    return *childSlot_;
}

/** Nothing, or why httpd's configuration does not allow these options. */
std::optional<std::string> Connection::complete(Options &options) {
    child();
    options.configuration = context_.children.configurationOf(pid_);
    std::optional<std::string> reason = context_.complete(options);
    if (reason && context_.attachRefusals.isToLog(options.groupName(), *reason, SystemClock::instance().now())) {
        Log::warn("event=attach.refused pid={} app=\"{}\" reason=\"{}\"", pid_,
                  options.groupName().substr(0, MAX_LOGGED), reason->substr(0, MAX_LOGGED));
    }
    return reason;
}

void Connection::takeOptions(const Frame &frame) {
    Options options = Options::fromMap(frame.map(0));
    if (!complete(options)) {
        context_.pool.takeOptions(options);
    }
}

void Connection::attach(const Frame &frame) {
    Options options = Options::fromMap(frame.map(1));
    if (const auto reason = complete(options)) {
        refuse(500, *reason);
        return;
    }
    try {
        const Attachment attachment = context_.pool.attach(options, Generation(frame.number(0)));
        std::vector<int> descriptors{attachment.sending.get(), attachment.claims.get(), attachment.senders.get()};
        if (attachment.ownQueue) {
            descriptors.push_back(attachment.ownQueue.get());
        }
        answer(Frame::of(FrameType::ATTACHED, attachment.groupSlot, attachment.generation), descriptors);
    } catch (const RefusedException &refusal) {
        // The log has it already, under its report id; or the pool shuts down.
        refuse(refusal.status(), refusal.what(), refusal.reportId());
    } catch (const std::exception &error) {
        Log::error("event=attach.failed app=\"{}\" error=\"{}\"", options.groupName(), error.what());
        refuse(503, error.what());
    }
}

void Connection::registerChannel(Frame frame) {
    const auto groupSlot = static_cast<std::uint32_t>(frame.number(0));
    const std::optional<ChannelSecret> secret = ChannelSecret::from(frame.field(2));
    if (!secret) {
        throw ProtocolException("the secret of a reply channel does not have 16 bytes");
    }
    FileDescriptor end = frame.takeDescriptor(0);
    if (!isReplyChannel(end)) {
        throw ProtocolException("the descriptor for a reply channel is not a SOCK_SEQPACKET socket");
    }
    // The first channel of a child may come from the reserve, and from what is for few.
    const bool isFirst = context_.pool.channels().count(child()) == 0;
    if (context_.reserve.has(end.get()) && !isFirst) {
        refuseForShortage("requests that still need a further reply channel get 503");
        return;
    }
    if (context_.reserve.isForFew(end.get())) {
        if (!isFirst && !context_.reserve.isFew(context_.pool.channels().countOfGroup(groupSlot))) {
            refuseForShortage("an application with many requests in flight gets 503 for further ones");
            return;
        }
        context_.reserve.askForIdleChannels(SystemClock::instance().now());
    }
    ChannelId channel;
    try {
        channel = context_.pool.channels().add(std::move(end), child(), groupSlot, *secret);
    } catch (const ChildLimitReached &reached) {
        // An answer, since a child whose connection ends asks again. It closes idle channels now.
        complainOfLimit(reached, "requests that still need a further reply channel get 503");
        refuse(NO_DESCRIPTOR, reached.what());
        return;
    }
    if (!context_.pool.senders().channelAdded(channel, groupSlot, Generation(frame.number(1)))) {
        // The slot is one of an earlier agent, whose end the child has not noticed yet. Or it is
        // one of an application that was forgotten since the child asked for its queue.
        context_.pool.channels().remove(channel, child());
        refuse(NO_SUCH_SLOT, "there is no application with slot " + std::to_string(groupSlot));
        return;
    }
    try {
        answer(Frame::of(FrameType::REGISTERED, channel));
    } catch (...) {
        // The child does not wait for this answer any more, and cannot give up a channel without
        // its id.
        context_.pool.senders().channelsGone(child(), std::span(&channel, 1));
        throw;
    }
}

void Connection::unregister(const Frame &frame) {
    std::vector<ChannelId> channels;
    for (std::size_t i = 0; i < frame.fields.size(); i++) {
        channels.emplace_back(frame.number(i));
    }
    context_.pool.senders().channelsGone(child(), channels);
}

void Connection::giveControl() {
    child();
    try {
        const FileDescriptor connection = context_.connectControl();
        answer(Frame(FrameType::CONTROL), {connection.get()});
    } catch (const std::exception &error) {
        refuse(503, error.what());
    }
}

void Connection::query(const Frame &frame) {
    child();
    const std::string &what = frame.field(0);
    std::uint64_t value = 0;
    const bool isOrder = what == "clear" || what == "set_max";
    if (isOrder && !context_.obeysUsers) {
        throw ProtocolException("no child of httpd may order \"" + what + "\"");
    }
    if (what == "clear") {
        context_.pool.clear();
    } else if (what == "set_max") {
        context_.pool.setMax(static_cast<unsigned>(frame.number(1)));
    } else if (what == "active") {
        value = context_.pool.getActive();
    } else if (what == "count") {
        value = context_.pool.getCount();
    } else if (what == "spawn_server_pid") {
        value = static_cast<std::uint64_t>(context_.pool.getSpawnServerPid());
    } else {
        throw ProtocolException("there is no query \"" + what + "\"");
    }
    answer(Frame::of(FrameType::VALUE, value));
}

void Connection::report(const Frame &frame) {
    child();
    Frame found(FrameType::REPORT);
    if (const auto report = context_.pool.report(frame.field(0), frame.field(1))) {
        addReport(found, *report);
    }
    answer(found);
}

void Connection::takeOverrun(const Frame &frame) {
    const auto time = std::chrono::milliseconds(std::min<std::uint64_t>(frame.number(3), MOST_MILLISECONDS));
    const bool killed =
        context_.pool.senders().requestOverran(child(), static_cast<std::uint32_t>(frame.number(0)),
                                               ChannelId(frame.number(1)), Ticket(frame.number(2)), time);
    answer(Frame::of(FrameType::VALUE, killed));
}

void Connection::takeSlow(const Frame &frame) {
    const auto time = std::chrono::milliseconds(std::min<std::uint64_t>(frame.number(3), MOST_MILLISECONDS));
    context_.pool.senders().requestIsSlow(child(), static_cast<std::uint32_t>(frame.number(0)),
                                          ChannelId(frame.number(1)), Ticket(frame.number(2)), time);
}

/** A file system may be slow, so a background thread looks. */
void Connection::checkRestart(const Frame &frame) {
    child();
    if (std::exchange(checking_, true)) {
        throw ProtocolException("CHECK_RESTART came before the last one was answered");
    }
    const auto answer = [&loop = context_.loop, weak = std::weak_ptr<Connection *>(self_)](bool looked) {
        loop.post([&loop, weak, looked] {
            loop.assertOnLoop();
            if (const auto self = weak.lock()) {
                (*self)->restartChecked(looked);
            }
        });
    };
    context_.pool.askForRestart(frame.field(0), answer);
}

void Connection::restartChecked(bool looked) {
    checking_ = false;
    try {
        answer(Frame::of(FrameType::VALUE, looked));
    } catch (const std::exception &error) {
        complain(error);
        // A copy: the callback destroys this object.
        const auto closed = closed_;
        closed(this);
    }
}

void Connection::refuse(unsigned status, const std::string &text, const std::string &reportId) {
    answer(Frame::of(FrameType::REFUSED, status, reportId, text));
}

/** Tells the child to close idle channels, and all other children, too. */
void Connection::refuseForShortage(const char *consequence) {
    context_.counts.descriptorsRefused++;
    context_.reserve.fallShort(SystemClock::instance().now(), consequence);
    refuse(NO_DESCRIPTOR, "the agent has no descriptor left: " + explainDescriptorLimit());
}

/** Never waits: a child that does not read its answers loses the connection. */
void Connection::answer(const Frame &frame, const std::vector<int> &descriptors) {
    socket_.send(frame, descriptors, FrameSocket::in(std::chrono::milliseconds(0)));
}

}  // namespace Passenger
