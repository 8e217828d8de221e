// SPDX-License-Identifier: Apache-2.0
/** What a path of the kubelet API names. */

/** A container of a pod, as the path of a kubelet API request names it. */
export interface PodTarget {
  /** The pod's namespace. */
  namespace: string;
  /** The pod's name. */
  pod: string;
  /** The container's name; empty where the path has none (port-forward). */
  container: string;
  /** The pod's UID, where the path has one. */
  uid?: string;
}
