#include "commands/AgentConnection.h"

#include <chrono>
#include <exception>
#include <thread>

#include "base/Exceptions.h"
#include "commands/CommandFailure.h"

namespace Passenger {

namespace {

/** A new pool process has its control socket after a fraction of a second. */
constexpr std::chrono::seconds PATIENCE{5};
constexpr std::chrono::milliseconds INTERVAL{50};

}  // namespace

AgentConnection::AgentConnection(const Arguments &arguments)
    : arguments_(arguments),
      agent_(AgentFinder(arguments).choose(arguments.value("instance"))),
      client_(agent_.connect()) {}

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
