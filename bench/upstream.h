
/*
 * The upstream behind every peer: reads a request to its end, without looking
 * at the body, and answers 200.  nginx's "return 200" would answer before the
 * body has arrived; a proxy would then drop the connection and the rest of the
 * body.
 */


#ifndef _UPSTREAM_H_INCLUDED_
#define _UPSTREAM_H_INCLUDED_


extern long  upstream_connections;
extern long  upstream_requests;

void upstream_open(int port);

/* Serves all connections that are ready, after waiting like poll(). */
void upstream_run(int timeout);


#endif /* _UPSTREAM_H_INCLUDED_ */
