#pragma once

#include "base/FileDescriptor.h"
#include "exchange/Exchange.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * A Session in its stream form (doc/PROTOCOLS.md, section 3.4). The constructor waits in the
 * application's queue until an instance has taken the session.
 */
class StreamSession : public Session {
public:
    /** @param options must stay unchanged while the session lives
     *  @throws SpawnException (no instance could be made), IOException, SystemException */
    StreamSession(QueueHostPtr host, const Options &options);

    std::optional<Reply> start(const Request &request) override;
    std::size_t sendBody(std::string_view block, bool last) override;
    bool bodyDone() const override;
    Reply receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout) override;
    bool replyWaiting() override;

    void sendHeaders(std::string_view environment) override;
    void sendBodyBlock(std::string_view block) override;
    void closeWriter() override;
    int getReader() override;
    void closeReader() override;

private:
    Exchange exchange_;
    FileDescriptor stream_;
};

}  // namespace Passenger
