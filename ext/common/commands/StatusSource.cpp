#include "commands/StatusSource.h"

#include "base/Exceptions.h"
#include "commands/AgentFinder.h"
#include "commands/CommandFailure.h"

namespace Passenger {

/** Connects first, where no connection is left. */
template <typename Question>
auto StatusSource::ask(Question question) -> std::optional<decltype(question(std::declval<ControlClient &>()))> {
    try {
        if (!client_) {
            client_.emplace(AgentFinder(arguments_).choose(arguments_.value("instance")).connect());
        }
        return question(*client_);
    } catch (const OrderRefusedException &) {
        return std::nullopt;
    } catch (const IOException &) {
    } catch (const SystemException &) {
    } catch (const CommandFailureException &) {
    }
    client_.reset();
    return std::nullopt;
}

std::optional<ServerStatus> StatusSource::look() {
    return ask([](ControlClient &client) { return client.status(); });
}

bool StatusSource::orderAgain(const std::vector<std::string> &order) {
    return ask([&order](ControlClient &client) { return client.order(order); }).has_value();
}

}  // namespace Passenger
