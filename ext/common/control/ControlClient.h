#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "control/ServerStatus.h"
#include "io/Frame.h"
#include "io/FrameSocket.h"

namespace Passenger {

/** The agent has refused an order. The text is for people. */
class OrderRefusedException : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * The asking side of a control connection (doc/PROTOCOLS.md, section 5). Blocks. For one thread.
 *
 * What the agent refuses is an OrderRefusedException. Each method also throws TimeoutException,
 * EndOfFileException (the agent has ended), ProtocolException and SystemException.
 */
class ControlClient {
public:
    /** How long an answer may take. */
    static constexpr std::chrono::seconds PATIENCE{10};

    /** @param connection to an agent's `control` socket, or one that the agent gave */
    explicit ControlClient(FileDescriptor connection) : socket_(std::move(connection)) {}
    /** Connects to the named socket. @param path as in properties.json */
    static ControlClient connect(const std::string &path);

    /** @param order the verb (ControlVerbs.h) and its arguments @return the DONE frame */
    Frame order(std::vector<std::string> order, std::chrono::milliseconds patience = PATIENCE);
    /** Sends an order whose answer is a memory file. @return the content of the file */
    std::string text(std::vector<std::string> order);
    /** What a status of all applications has. One of a single application has its requests, too. */
    enum class Detail { USUAL, REQUESTS, FIGURES, HEALTH };
    /** @param app its name; empty: all that the asker may see */
    ServerStatus status(const std::string &app = {}, Detail detail = Detail::USUAL);
    /** The status as the agent's JSON. */
    std::string statusText(const std::string &app = {}, Detail detail = Detail::USUAL);

private:
    FrameSocket socket_;
};

}  // namespace Passenger
