/*
 * Feeds random messages to httpd's end of a reply channel (MessageSession over Exchange), as a
 * hostile application could, and among them messages of the agent. Whatever the messages are, the
 * replies must come in the order of one answer, and the exchange must end.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/MessageSession.h"
#include "io/SocketPair.h"
#include "support/FakeHost.h"

namespace {

using namespace Passenger;

/** The number of messages that fit into a channel without a reader. */
constexpr std::size_t MOST_MESSAGES = 16;
constexpr off_t FILE_SIZE = 100'000;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/** The form of a message, from one byte of the input. */
enum Form : std::uint8_t {
    /**
     * The input has the header's bytes, with the ticket. Otherwise the ticket is the exchange's
     * own.
     */
    ANY_TICKET = 1,
    /** A type of the protocol, chosen by the header's byte. */
    KNOWN_TYPE = 2,
    /** The message has a descriptor: of a stream, or of a pipe. */
    STREAM_COMES = 4,
    PIPE_COMES = 8,
    /** The length of the head in the header is the message's. */
    RIGHT_LENGTH = 16,
    /** The message has a descriptor of a file. */
    FILE_COMES = 32,
    /** The message is the agent's: it has the channel's secret. */
    AGENTS = 64,
    /** From this message on the ticket is the next one, under which the exchange may have sent the
     *  request again. */
    NEXT_TICKET = 128,
};
/** What the request is like, from the last byte of the input. */
enum Trait : std::uint8_t {
    WITH_TRAILERS = 1,
    MAY_BE_TRANSFERRED = 2,
    MAY_BE_REPEATED = 4,
    WITH_BODY = 8,
    UNCLAIMED = 16,
};

MessageType agentsType(unsigned byte) {
    constexpr MessageType TYPES[] = {MessageType::LOST, MessageType::RECHECK, MessageType::REFUSED};
    return TYPES[byte % std::size(TYPES)];
}

MessageType knownType(unsigned byte) {
    constexpr MessageType TYPES[] = {MessageType::RESPONSE, MessageType::DATA,       MessageType::INTERIM,
                                     MessageType::SKIPPED,  MessageType::ACCEPTED,   MessageType::ABORTED,
                                     MessageType::HIJACKED, MessageType::TRAILERS,   MessageType::LOST,
                                     MessageType::RECHECK,  MessageType::REFUSED,    MessageType::BODY_FILE,
                                     MessageType::BODY,     MessageType::ANSWER_FILE};
    return TYPES[byte % std::size(TYPES)];
}

/**
 * Takes from the start of `input`: a byte with the form, a byte with the length, a header, and so
 * many bytes behind it.
 */
void sendNext(FakeHost &host, std::string_view &input, std::uint64_t &ticket) {
    const auto form = static_cast<unsigned char>(input[0]);
    const std::size_t length = std::min<std::size_t>(static_cast<unsigned char>(input[1]), input.size() - 2);
    std::string message(input.substr(2, length));
    input.remove_prefix(2 + length);
    ticket += (form & NEXT_TICKET) != 0 ? 1 : 0;
    if (message.size() >= sizeof(MessageHeader)) {
        MessageHeader header{};
        std::memcpy(&header, message.data(), sizeof(header));
        header.ticket = (form & ANY_TICKET) != 0 ? header.ticket : ticket;
        header.type = (form & KNOWN_TYPE) != 0 ? knownType(static_cast<unsigned>(header.type)) : header.type;
        if ((form & RIGHT_LENGTH) != 0) {
            header.headLength = static_cast<std::uint32_t>(message.size() - sizeof(header));
        }
        if ((form & AGENTS) != 0) {
            host.send(agentsType(static_cast<unsigned>(header.type)), header.ticket, message.substr(sizeof(header)), "",
                      false, header.status);
            return;
        }
        std::memcpy(message.data(), &header, sizeof(header));
    }
    FileDescriptor sent;
    if ((form & STREAM_COMES) != 0) {
        sent = std::move(makeStreamPair().first);
    } else if ((form & FILE_COMES) != 0) {
        sent = FileDescriptor(::memfd_create("fuzz", MFD_CLOEXEC));
        require(::ftruncate(sent.get(), FILE_SIZE) == 0);
    } else if ((form & PIPE_COMES) != 0) {
        int ends[2];
        require(::pipe(ends) == 0);
        sent = FileDescriptor(ends[0]);
        ::close(ends[1]);
    }
    if (!message.empty()) {
        host.sendRaw(message, sent.get());
    }
}

/** Takes replies until one ends the exchange; returns its kind. */
Reply::Kind receiveAll(MessageSession &session) {
    std::vector<char> buffer(MessageSession::BUFFER_SIZE);
    bool headSeen = false;
    for (;;) {
        const Reply reply = session.receive(buffer, -1, std::chrono::milliseconds(0));
        require(reply.head.size() <= MAX_RESPONSE_HEAD);
        switch (reply.kind) {
            case Reply::Kind::INTERIM: require(!headSeen && !reply.stream && !reply.last); break;
            case Reply::Kind::RESPONSE:
                require(!headSeen && (!reply.stream || reply.last));
                headSeen = true;
                break;
            case Reply::Kind::DATA: require(headSeen && reply.head.empty() && !reply.stream); break;
            case Reply::Kind::HIJACKED: require(!headSeen && reply.stream && isStream(reply.stream)); break;
            default: require(!reply.last && !reply.stream && reply.head.empty() && reply.body.empty());
        }
        if (reply.ends()) {
            return reply.kind;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char *>(data), size);
    const unsigned traits = input.empty() ? 0 : static_cast<unsigned char>(input.back());
    input.remove_suffix(std::min<std::size_t>(input.size(), 1));
    auto host = std::make_shared<FakeHost>();
    auto session = std::make_unique<MessageSession>(host, host->options);
    MessageSession::Request all;
    all.takesFile = true;
    all.takesTrailers = (traits & WITH_TRAILERS) != 0;
    all.transferable = (traits & MAY_BE_TRANSFERRED) != 0;
    all.retryable = (traits & MAY_BE_REPEATED) != 0;
    all.bodyFollows = (traits & WITH_BODY) != 0;
    require(!session->start(all));
    const FakeHost::Request request = host->take();
    if ((traits & UNCLAIMED) == 0) {
        host->claim(request);
    }
    std::uint64_t ticket = request.header.ticket;
    for (std::size_t count = 0; count < MOST_MESSAGES && input.size() >= 2; count++) {
        sendNext(*host, input, ticket);
    }
    const Reply::Kind end = receiveAll(*session);
    session.reset();
    require(host->cleanEnds + host->dirtyEnds > 0);
    // Such a channel serves no other request.
    require(end != Reply::Kind::BROKEN || host->cleanEnds == 0);
    return 0;
}
