#include "support/FakeHost.h"

#include <cppunit/TestAssert.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "shm/InFlightReader.h"
#include "support/Eventually.h"

namespace Passenger {

FakeHost::FakeHost() : view_(table_.memory().descriptor()) {
    options.maxQueueSize = 0;
    table_.setChildSlots(1);
    nextGeneration();
}

void FakeHost::nextGeneration() {
    generation_ = Generation(generation_.value() + 1);
    queues_.emplace_back();
    setCapacity(10);
}

bool FakeHost::hasRequest() const {
    pollfd entry{queues_.back().receivingEnd().get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
}

FakeHost::Request FakeHost::take() {
    return takeFrom(queues_.back());
}

FakeHost::Request FakeHost::takeOwn() {
    return takeFrom(*own_);
}

FakeHost::Request FakeHost::takeFrom(const RequestQueue &queue) {
    std::string text(MAX_MESSAGE, '\0');
    const ssize_t size = ::recv(queue.receivingEnd().get(), text.data(), text.size(), MSG_DONTWAIT);
    CPPUNIT_ASSERT_MESSAGE("No request is in the queue", size >= static_cast<ssize_t>(sizeof(RequestHeader)));
    text.resize(static_cast<std::size_t>(size));
    Request request;
    std::memcpy(&request.header, text.data(), sizeof(RequestHeader));
    request.environment = text.substr(sizeof(RequestHeader), request.header.headLength);
    request.body = text.substr(sizeof(RequestHeader) + request.environment.size());
    return request;
}

std::uint64_t FakeHost::serveNext() {
    eventually([this] { return hasRequest(); });
    const Request request = take();
    claim(request);
    send(MessageType::RESPONSE, request.header.ticket, "", "hello", true);
    return request.header.ticket;
}

void FakeHost::claim(const Request &request) {
    const ClaimCell cell{request.header.channel, request.header.ticket};
    CPPUNIT_ASSERT(::pwrite(claims_.memory().descriptor().get(), &cell, sizeof(cell), ClaimsLayout::offset(0)) > 0);
}

void FakeHost::clearClaim() {
    claims_.clear(0);
}

std::uint64_t FakeHost::mark() const {
    return senders_.memory().readU64(SenderMemoryLayout::mark(channelsMade)) & SenderMemoryLayout::MAX_TICKET;
}

void FakeHost::send(MessageType type, std::uint64_t ticket, const std::string &head, const std::string &body, bool last,
                    std::uint16_t status, int descriptor) {
    MessageHeader header{};
    header.ticket = ticket;
    header.type = type;
    header.flags = last ? LAST : 0;
    // LOST has no status, unless the test wants one.
    header.status = type == MessageType::LOST && status == 200 ? 0 : status;
    header.headLength = static_cast<std::uint32_t>(head.size());
    header.queued = type == MessageType::RESPONSE ? queued : 0;
    header.stickyId = type == MessageType::RESPONSE ? stickyId : 0;
    const bool agents = type == MessageType::LOST || type == MessageType::RECHECK || type == MessageType::REFUSED;
    const std::string secret(agents ? secret_.bytes() : "");
    sendRaw(std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + secret + head + body, descriptor);
}

void FakeHost::sendRaw(const std::string &message, int descriptor) {
    const std::size_t count = descriptor >= 0 ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(message.size(), sendWithDescriptors(instanceEnd_, message, std::span(&descriptor, count), 0));
}

std::optional<FakeHost::Message> FakeHost::receive() {
    std::string text(MAX_MESSAGE, '\0');
    pollfd entry{instanceEnd_.get(), POLLIN, 0};
    CPPUNIT_ASSERT_MESSAGE("No message came", ::poll(&entry, 1, 60000) == 1);
    Received received = receiveWithDescriptors(instanceEnd_, text);
    if (received.size == 0) {
        return std::nullopt;
    }
    Message message;
    std::memcpy(&message.header, text.data(), sizeof(MessageHeader));
    message.payload = text.substr(sizeof(MessageHeader), received.size - sizeof(MessageHeader));
    message.descriptors = std::move(received.descriptors);
    return message;
}

bool FakeHost::hasMessage() const {
    pollfd entry{instanceEnd_.get(), POLLIN, 0};
    return ::poll(&entry, 1, 0) > 0;
}

std::string FakeHost::receiveBody() {
    std::string body;
    while (const std::optional<Message> message = receive()) {
        CPPUNIT_ASSERT(message->header.type == MessageType::BODY);
        body += message->payload;
        if ((message->header.flags & LAST) != 0) {
            break;
        }
    }
    return body;
}

void FakeHost::refuseBody() {
    CPPUNIT_ASSERT_EQUAL(0, ::shutdown(instanceEnd_.get(), SHUT_RD));
}

void FakeHost::prepare() {
    DescriptorPair pair = makeSeqPacketPair();
    instanceEnd_ = std::move(pair.second);
    const std::uint64_t number = ++channelsMade;
    free_.push_back(std::make_unique<ReplyChannel>(std::move(pair.first), ChannelId(number << 16 | number),
                                                   inFlightTable_.allocate(), 0, secret_));
}

std::size_t FakeHost::inFlightEntries() const {
    return InFlightReader(inFlightTable_.memory().descriptor().duplicate()).inFlight(SLOT).size();
}

QueueLinkPtr FakeHost::link(const Options & /*options*/, Generation unusable) {
    if (own_ && unusable != generation_) {
        // The link that is remembered, closed or not.
        return makeLink(SLOT, generation_, own_->sendingEnd().duplicate(), claims_.memory().readOnlyDescriptor(),
                        senders_.memory().descriptor());
    }
    if (own_ && RequestQueue::closed(own_->sendingEnd().get())) {
        own_.reset();
        unusable = Generation();
    }
    if (unusable && refusal) {
        throw RefusedException(*refusal);
    }
    if (unusable == generation_) {
        nextGeneration();
        if (closesAlways) {
            closeQueue();
        }
    }
    const auto link = makeLink(SLOT, generation_, queues_.back().sendingEnd().duplicate(),
                               claims_.memory().readOnlyDescriptor(), senders_.memory().descriptor());
    link->epoch = agentEnds ? 1 : 0;
    return link;
}

std::unique_ptr<ReplyChannel> FakeHost::takeChannel(const QueueLink &) {
    if (agentEnds) {
        throw EndOfFileException("as ordered");
    }
    if (free_.empty()) {
        prepare();
    }
    std::unique_ptr<ReplyChannel> channel = std::move(free_.back());
    free_.pop_back();
    return channel;
}

void FakeHost::giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept {
    if (clean) {
        cleanEnds++;
        free_.push_back(std::move(channel));
    } else {
        dirtyEnds++;
        inFlightTable_.release(channel->inFlightEntry());
    }
}

}  // namespace Passenger
