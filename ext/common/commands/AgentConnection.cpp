#include "commands/AgentConnection.h"

#include <chrono>
#include <exception>
#include <thread>

#include "base/Exceptions.h"
#include "commands/CommandFailure.h"

namespace Passenger {

namespace {

/** A new pool process has its control socket after a fraction of a second. Where they die one after
 *  the other, the watchdog pauses for ten seconds at most. */
constexpr std::chrono::seconds PATIENCE{12};
constexpr std::chrono::milliseconds INTERVAL{50};

}  // namespace

AgentConnection::AgentConnection(const Arguments &arguments) : arguments_(arguments) {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    while (!client_) {
        agent_ = AgentFinder(arguments).choose(arguments.value("instance"));
        try {
            client_.emplace(agent_.connect());
        } catch (const AbsentAgentException &) {
            if (std::chrono::steady_clock::now() >= deadline) {
                throw;
            }
            std::this_thread::sleep_for(INTERVAL);
        }
    }
}

/** Connects first, where no connection is left. */
template <typename Question> auto AgentConnection::ask(Question question) -> AnswerTo<Question> {
    if (!client_) {
        client_.emplace(AgentFinder(arguments_).choose(arguments_.value("instance")).connect());
    }
    try {
        return question(*client_);
    } catch (const OrderRefusedException &) {
        throw;
    } catch (const std::exception &) {
        client_.reset();
        throw;
    }
}

template <typename Question> auto AgentConnection::askPatiently(Question question) -> AnswerTo<Question> {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    for (;;) {
        try {
            return ask(question);
        } catch (const OrderRefusedException &) {
            throw;
        } catch (const std::exception &) {
            if (std::chrono::steady_clock::now() >= deadline) {
                throw;
            }
        }
        std::this_thread::sleep_for(INTERVAL);
    }
}

template <typename Question> auto AgentConnection::tryToAsk(Question question) -> std::optional<AnswerTo<Question>> {
    try {
        return ask(question);
    } catch (const OrderRefusedException &) {
    } catch (const IOException &) {
    } catch (const SystemException &) {
    } catch (const CommandFailureException &) {
    }
    return std::nullopt;
}

Frame AgentConnection::order(const std::vector<std::string> &order) {
    return askPatiently([&order](ControlClient &client) { return client.order(order); });
}

std::string AgentConnection::text(const std::vector<std::string> &order) {
    return askPatiently([&order](ControlClient &client) { return client.text(order); });
}

ServerStatus AgentConnection::status(const std::string &app, ControlClient::Detail detail) {
    return askPatiently([&](ControlClient &client) { return client.status(app, detail); });
}

std::optional<ServerStatus> AgentConnection::look() {
    return tryToAsk([](ControlClient &client) { return client.status(); });
}

bool AgentConnection::orderAgain(const std::vector<std::string> &order) {
    return tryToAsk([&order](ControlClient &client) { return client.order(order); }).has_value();
}

}  // namespace Passenger
