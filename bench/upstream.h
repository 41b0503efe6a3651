
/*
 * The upstream behind every peer: reads a request to its end, without looking
 * at the body, and answers 200.  nginx's "return 200" would answer before the
 * body is there, and a proxy then drops the connection and what it has not
 * sent yet.
 */


#ifndef _UPSTREAM_H_INCLUDED_
#define _UPSTREAM_H_INCLUDED_


extern long  upstream_connections;
extern long  upstream_requests;

void upstream_open(int port);

/* Serves what is ready, and waits for it as poll() does. */
void upstream_run(int timeout);


#endif /* _UPSTREAM_H_INCLUDED_ */
