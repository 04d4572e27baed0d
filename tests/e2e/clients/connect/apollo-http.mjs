// Apollo Client over plain HTTP: subscriptions are multipart responses.
import { HttpLink } from '@apollo/client';
import { connectApollo } from './apollo.mjs';

export const connect = (url) => connectApollo(new HttpLink({ uri: url }));
