/* An instance with one thread: lib/passenger/instance/request_handler.rb. Its cell has its number. */

/* Reply#send_message. A child that has gone ends it (ClientGone). */
inline say(what) {
    atomic {
        running(i) && ((shut & bit(ch)) || hasRoom(ch)) ->
        if
        :: shut & bit(ch) -> goto clear
        :: else -> reply[ch]!what, ticket, origin(request, i)
        fi
    }
}

/* A pwrite of both words. */
inline writeClaim(channelWord, ticketWord) {
    if
    :: torn ->
        atomic { running(i) -> claims[i].channel = channelWord }
        atomic { running(i) -> claims[i].ticket = ticketWord }
    :: atomic { !torn && running(i) -> claims[i].channel = channelWord; claims[i].ticket = ticketWord }
    fi
}

inline readMark() {
    atomic { running(i) -> withdrawn = (mark[ch] >= ticket) }
}

proctype Instance(byte i) {
    byte ch, ticket, request;
    bool withdrawn;

    {
        do
        ::  atomic {                            /* RequestHandler#take */
                running(i) ->
                if
                :: !told[i] && len(queue[instanceLine[i]]) > 0 ->
                    queue[instanceLine[i]]?ch, ticket, request;
                    handChannel[i] = ch;
                    handTicket[i] = ticket
                :: told[i] -> alive[i] = false  /* AppInstance#finish */
                :: !told[i] && nextLine[i] > 0 && shutDown[instanceLine[i]] && len(queue[instanceLine[i]]) == 0 ->
                    instanceLine[i] = nextLine[i]; instanceEpoch[i] = nextEpoch[i]; nextLine[i] = 0;
                    goto forget                 /* Intake#await */
                fi
            }
            /* Channels#borrow: FETCH where it is unknown */
            atomic {
                running(i) ->
                if
                :: known[i] & bit(ch)
                :: else ->
                    if
                    :: agentAlive && agentEpoch == instanceEpoch[i] ->
                        if
                        :: registered & bit(ch) -> known[i] = known[i] | bit(ch)
                        :: else -> goto forget  /* NO_CHANNEL */
                        fi
                    :: (!agentAlive || agentEpoch != instanceEpoch[i]) && (told[i] || nextLine[i] > 0) ->
                        goto forget             /* the control socket has ended; Channels#forget */
                    fi
                fi
            }

            /* RequestHandler#handle_one, #answer */
            if
            :: mutant == MARK_BEFORE_CLAIM -> readMark(); writeClaim(ch + 1, ticket)
            :: else -> writeClaim(ch + 1, ticket); readMark()
            fi;
            if
            :: withdrawn -> say(SKIPPED)
            :: else ->
                atomic {                        /* RackAdapter#call: the application begins */
                    running(i) ->
                    runs[request]++;
                    assert(runs[request] <= 1 + mayRepeat[request]);
                    assert(!(over[ch] & bit(ticket)))
                }
                say(RESPONSE);
                if
                :: mutant == CLEAR_BEFORE_LAST_MESSAGE -> writeClaim(0, 0)
                :: else
                fi;
                say(LAST)
            fi;
clear:      /* RequestHandler#conclude */
            writeClaim(0, 0);
forget:
            atomic {
                running(i) -> handTicket[i] = 0; handChannel[i] = 0; ch = 0; ticket = 0; request = 0; withdrawn = false
            }
        od
    } unless { !alive[i] }
    /* The kernel closes its descriptors. */
    atomic { known[i] = 0; handTicket[i] = 0; handChannel[i] = 0 }
}
