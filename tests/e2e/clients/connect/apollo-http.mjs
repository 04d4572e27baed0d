// Apollo Client over plain HTTP: subscriptions come as a multipart response.
import { HttpLink } from '@apollo/client';
import { connectApollo } from './apollo.mjs';

export const connect = (url) => connectApollo(new HttpLink({ uri: url }));
