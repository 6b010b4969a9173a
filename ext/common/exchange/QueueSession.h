#pragma once

#include <optional>
#include <string>

#include "exchange/AnswerFile.h"
#include "exchange/Exchange.h"
#include "exchange/MessageSession.h"

namespace Passenger {

/**
 * A MessageSession over a Group's queue: makes replies from the messages of an Exchange.
 */
class QueueSession : public MessageSession {
public:
    /** @param options must stay unchanged while the session lives */
    QueueSession(QueueHostPtr host, const Options &options) : exchange_(std::move(host), options) {}

    std::optional<Reply> start(const Request &request) override;
    std::size_t sendBody(std::string_view block, bool last) override;
    bool bodyDone() const override;
    void excuse(std::chrono::nanoseconds time) override { exchange_.excuse(time); }
    void breakBody() override { exchange_.breakBody(); }
    void giveUp(End why) noexcept override { exchange_.giveUp(why); }
    Reply receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout) override;
    bool replyWaiting() override;
    Waited awaitReply(int socket, Awaited awaited, std::chrono::milliseconds timeout) override;
    std::optional<AppVersion> version() const override { return exchange_.version(); }

    std::optional<Times> times() const override { return exchange_.times(); }
    pid_t instance() const override { return exchange_.instance(); }

private:
    std::optional<Reply> replyFor(Exchange::Event &event);
    std::optional<Reply> addToHead(const Exchange::Event &event);
    bool takeStream(Exchange::Event &event);
    const char *takeFile(Exchange::Event &event);
    Reply nextOfFile(std::span<char> buffer);

    Exchange exchange_;
    /** A head that came in several messages. */
    std::string head_;
    std::uint32_t headLength_ = 0;
    MessageType headType_ = MessageType::RESPONSE;
    std::uint16_t status_ = 0;
    std::uint32_t stickyId_ = 0;
    bool headComplete_ = false;
    /** The stream of an application that took over the connection. The head of its answer may
     *  arrive later. */
    FileDescriptor stream_;
    bool wantsClient_ = false;
    /** The rest of the answer. The exchange is over. */
    std::optional<AnswerFile> file_;
    /** Members of the MessageSession::Request. */
    bool transferable_ = false;
    bool takesFile_ = false;
};

}  // namespace Passenger
