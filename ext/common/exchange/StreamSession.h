#pragma once

#include "base/FileDescriptor.h"
#include "exchange/Exchange.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * A Session over a Group's queue (doc/PROTOCOLS.md, section 3.4). The constructor waits in the
 * application's queue until an instance has taken the session.
 */
class StreamSession : public Session {
public:
    /** @param options must stay unchanged while the session lives
     *  @throws SpawnException (no instance could be made), IOException, SystemException */
    StreamSession(QueueHostPtr host, const Options &options);

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
